"""What people do to a session: they answer calls that ask, and stop single threads, here or through another process."""

from collections.abc import Callable

from podium.core.content import text
from podium.core.events import AgentToolUse
from podium.core.ports import Confirm, InputRequest, Interrupt, SendMessage
from podium.core.session import SessionState
from podium.errors import NotFound, Refused
from tests.lab.lab import SESSION, Happening, Lab, Live
from tests.lab.log import Played

Ask = Callable[[SessionState], list[InputRequest]]


def allows(use: AgentToolUse) -> bool:
    """Whether a person lets the call happen."""
    return not str(use.input.get("key", "")).startswith("no")


def answer(played: Played, lab: Lab) -> None:
    """Nobody drives the session, and a person answers the first of the calls that ask."""
    uses = {record.event.id: record.event for record in played.records if isinstance(record.event, AgentToolUse)}
    _, call = next(iter(played.state.waiting_calls()))
    lab.tell(Confirm(call=call.id, allow=allows(uses[call.id]), reason="I would rather not"))


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
        calls = [call for _, call in state.waiting_calls()][:most]
        return [
            Confirm(call=call.id, allow=not str(call.input["key"]).startswith("no") if allow is None else allow)
            for call in calls
        ]

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


def wrote(words: str, *, elsewhere: bool = False) -> Happening:
    """An act: a person sends a message."""
    return inputs(lambda state: [SendMessage(content=text(words))], elsewhere=elsewhere)
