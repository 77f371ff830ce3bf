"""Replay: a program that begins anew must make the calls that were recorded of it.

Errors: WorkflowChanged, which names the first call that differs: what was recorded, and what is asked for now.
"""

from collections.abc import Collection, Iterable

from podium.core.content import TextBlock, plain
from podium.core.json import canonical
from podium.core.program import Ask, AskAgent, AskFunction, AskPerson, BeginPhase, Move, Raised, Returned, Withdraw
from podium.core.runs import RunState, Step
from podium.core.session import SessionState
from podium.errors import WorkflowChanged

REMEDY = "Nothing was done, and nothing is lost: put the code back and resume, or start a new session"
MOST = 200  # characters of an input that are shown


class Replay:
    """Compares what a program does with what was recorded of it.

    Shape: `asked` are its calls by key, recorded or new. `without` are recorded calls and phases that count as never
    made; those that it `may_lack` are added to it where the program does something else in their place.
    """

    def __init__(
        self, session: SessionState, run: RunState, without: set[str] | None = None, may_lack: Collection[str] = ()
    ) -> None:
        self._session = session
        self._run = run
        self._without = without if without is not None else set()
        self._may_lack = may_lack
        self._withdrawn: set[str] = set()
        self._phases: set[str] = set()
        self.asked: dict[str, Ask] = {}
        self.has_ended = False

    def take(self, moves: Iterable[Move]) -> list[Move]:
        """Of these moves those that were not recorded, in order."""
        return [move for move in moves if not self._is_recorded(move)]

    def has(self, key: str) -> bool:
        """Whether the program has made this call, or begun this phase."""
        return key in self.asked or key in self._phases

    def check_told(self, key: str) -> None:
        """The program is about to be told of this call: it must have made it."""
        if key not in self.asked or self.has_ended:
            raise self._missing(self._run.steps[key])

    def check_complete(self) -> None:
        """The program was told all: it must have made every call that was recorded."""
        for step in self._run.steps.values():
            if step.state == "again" or step.key in self._without:
                continue
            if step.key not in self.asked:
                raise self._missing(step)
            if step.is_withdrawn and step.key not in self._withdrawn:
                raise self._changed(step, "had been withdrawn when it was recorded; now its result is still needed")
        for key, name in self._run.phases.items():
            if key not in self._phases and key not in self._without:
                raise self._changed_at(key, f"phase '{name}' was begun when it was recorded; now it is not")

    def _is_recorded(self, move: Move) -> bool:
        match move:
            case Withdraw(key=key):
                self._withdrawn.add(key)
                step = self._run.steps.get(key)
                return step is not None and step.is_withdrawn and key not in self._without
            case BeginPhase():
                self._phases.add(move.key)
                name = self._run.phases.get(move.key)
                step = self._run.steps.get(move.key)
                is_made = step is not None and step.state != "again"
                if self._is_left_out(move.key, differs=is_made or name != move.name):
                    return False
                if step is not None and is_made:
                    raise self._differs(step, f"phase '{move.name}'", move.place)
                if name is not None and name != move.name:
                    raise self._changed_at(move.key, f"phase '{name}' when it was recorded; now phase '{move.name}'")
                return name is not None
            case Returned() | Raised():
                self.has_ended = True
                return False
            case _:
                return self._is_recorded_ask(move)

    def _is_recorded_ask(self, ask: Ask) -> bool:
        self.asked[ask.key] = ask
        step, was_phase = self._run.steps.get(ask.key), ask.key in self._run.phases
        if self._is_left_out(ask.key, differs=was_phase or step is None or step.hash != ask.hash):
            return False
        if was_phase:
            was = f"phase '{self._run.phases[ask.key]}'"
            raise self._changed_at(ask.key, f"{was} when it was recorded; now it is {self._told(ask)}")
        if step is None or step.state == "again":
            return False
        if step.hash != ask.hash:
            raise self._differs(step, self._told(ask), ask.place)
        return True

    def _is_left_out(self, key: str, *, differs: bool) -> bool:
        """Whether what is recorded in this place counts as never made."""
        if differs and key in self._may_lack:
            self._without.add(key)
        return key in self._without

    # --- in words ------------------------------------------------------------------------------------

    def _missing(self, step: Step) -> WorkflowChanged:
        return self._changed(step, "was made when it was recorded; now it is not")

    def _differs(self, step: Step, now: str, place: str) -> WorkflowChanged:
        where = f", in {place}" if place else ""
        return self._changed_at(step.key, f"{self._recorded(step)} when it was recorded; now it is {now}{where}")

    def _changed(self, step: Step, how: str) -> WorkflowChanged:
        return self._changed_at(step.key, f"{self._recorded(step)}, {how}")

    def _changed_at(self, key: str, how: str) -> WorkflowChanged:
        return WorkflowChanged(
            f"the workflow '{self._run.name}' has changed since session {self._session.id} was recorded. "
            f"Call {key} was {how}. {REMEDY}"
        )

    def _recorded(self, step: Step) -> str:
        where = f", in {step.place}" if step.place else ""
        if step.kind == "agent":
            child = self._session.threads.get(step.thread or "")
            agent = child.definition if child is not None else None
            given = self._given(step)
            named = agent.name if agent is not None else step.name
            version = f" (version {agent.version[:8]})" if agent is not None else ""
            return f"agent '{named}'{version} with {given}{where}"
        if step.kind == "function":
            return f"function '{step.name}' with {_shown(step.given)}{where}"
        return f"checkpoint '{step.name}'{where}"

    def _given(self, step: Step) -> str:
        child = self._session.threads.get(step.thread or "")
        if child is None:
            return "an input that is not known"
        call = self._session.main.calls.get(step.call)
        if call is not None:
            return _shown(call.input)
        sent = child.transcript.sent()
        return _shown(plain([block for block in sent[0].content if isinstance(block, TextBlock)])) if sent else "a task"

    def _told(self, ask: Ask) -> str:
        match ask:
            case AskAgent():
                return f"agent '{ask.definition.name}' (version {ask.definition.version[:8]}) with {_shown(ask.given)}"
            case AskFunction():
                return f"function '{ask.name}' with {_shown(ask.given)}"
            case AskPerson():
                return f"checkpoint {_shown(ask.given)}"


def _shown(value: object) -> str:
    said = canonical(value).decode()
    return said if len(said) <= MOST else f"{said[:MOST]}…"
