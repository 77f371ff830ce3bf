"""What people do to a session: they answer calls that ask, give results of their own tools, stop and archive single
threads, raise its budget; here or through another process.
"""

from collections.abc import Callable
from decimal import Decimal

from podium.core.content import text
from podium.core.inputs import Archive, Confirm, GiveResult, InputRequest, Interrupt, SendMessage, Update
from podium.core.session import SessionState
from podium.core.thread import OpenCall
from podium.errors import NotFound, Refused
from tests.lab.lab import SESSION, Happening, Lab, Live
from tests.lab.log import Played

Ask = Callable[[SessionState], list[InputRequest]]


def allows(call: OpenCall) -> bool:
    """Whether a person lets the call happen."""
    return not str(call.input.get("key", call.input.get("description", ""))).startswith("no")


def answer(played: Played, lab: Lab) -> None:
    """Nobody drives the session, and a person answers the first of the calls that ask, or gives its result."""
    _, call = next(iter(played.state.waiting_calls()))
    lab.tell(reply_to(call))


def reply_to(call: OpenCall, allow: bool | None = None) -> InputRequest:
    """What a person says to the call: by its key, or as told. What is not allowed of the client's own tools fails."""
    is_allowed = allows(call) if allow is None else allow
    if call.custom:
        return GiveResult(call=call.id, content=text(f"{call.name} {call.input['key']}"), is_error=not is_allowed)
    return Confirm(call=call.id, allow=is_allowed, reason="I would rather not")


def inputs(ask: Ask, *, elsewhere: bool) -> Happening:
    """An act: a person who sees the session as it stands now gives these inputs; one that comes too late is refused."""

    async def act(live: Live) -> None:
        for request in ask(live.driver.state):
            try:
                if elsewhere:
                    await live.elsewhere(request)
                else:
                    await live.process.store.admit(SESSION, request)
                    await live.driver.notice()
            except (Refused, NotFound):
                continue

    return act


def answered(*, most: int = 100, allow: bool | None = None, elsewhere: bool = False) -> Happening:
    """An act: a person answers the calls that ask now, or the first of them; by their keys, or all the same way."""

    def ask(state: SessionState) -> list[InputRequest]:
        return [reply_to(call, allow) for _, call in state.waiting_calls()][:most]

    return inputs(ask, elsewhere=elsewhere)


def stopped(agent: str, *, elsewhere: bool = False) -> Happening:
    """An act: a person interrupts the threads of this agent."""

    def ask(state: SessionState) -> list[InputRequest]:
        return [Interrupt(thread=each.id) for each in state.threads.values() if each.definition.name == agent]

    return inputs(ask, elsewhere=elsewhere)


def stopped_nth(nth: int, *, elsewhere: bool = False) -> Happening:
    """An act: a person interrupts one thread of those there are."""

    def ask(state: SessionState) -> list[InputRequest]:
        return [Interrupt(thread=list(state.threads)[nth % len(state.threads)])]

    return inputs(ask, elsewhere=elsewhere)


def archived(agent: str, *, elsewhere: bool = False) -> Happening:
    """An act: a person archives the threads of this agent."""

    def ask(state: SessionState) -> list[InputRequest]:
        return [Archive(thread=each.id) for each in state.threads.values() if each.definition.name == agent]

    return inputs(ask, elsewhere=elsewhere)


def archived_nth(nth: int, *, elsewhere: bool = False) -> Happening:
    """An act: a person archives one thread of those there are."""

    def ask(state: SessionState) -> list[InputRequest]:
        return [Archive(thread=list(state.threads)[nth % len(state.threads)])]

    return inputs(ask, elsewhere=elsewhere)


def raised(usd: str | None, *, elsewhere: bool = False) -> Happening:
    """An act: somebody raises the session's budget, or takes it away."""
    request = Update(has_budget=False) if usd is None else Update(budget=Decimal(usd), title=f"for ${usd}")
    return inputs(lambda state: [request], elsewhere=elsewhere)


def wrote(words: str, *, elsewhere: bool = False) -> Happening:
    """An act: a person sends a message."""
    return inputs(lambda state: [SendMessage(content=text(words))], elsewhere=elsewhere)
