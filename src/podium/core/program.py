"""The Program port: code that drives a thread in a model's place, what it asks for and what it is told.

A program is a function of its input and of what it is told, in that order: told the same again, it asks for the same.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from podium.core.content import Content
from podium.core.definitions import Definition
from podium.core.events import Usage
from podium.core.facts import CallLimits
from podium.core.json import JSON, digest
from podium.core.runs import StepOutcome


@dataclass(frozen=True, kw_only=True)
class Called:
    """A call of the program.

    Shape: `key` is its place in the program, the same whenever the program runs; `name` what people call it; `place`
    where in the code it stands. `attempt` counts from 1; `instead_of` is the key of the attempt before.
    """

    key: str
    name: str
    place: str = ""
    attempt: int = 1
    instead_of: str = ""


@dataclass(frozen=True, kw_only=True)
class AskAgent(Called):
    """Have an agent do something. Shape: `team` are the agent and all it leads to, by version."""

    definition: Definition
    team: Mapping[str, Definition]
    given: dict[str, JSON]
    limits: CallLimits = field(default_factory=CallLimits)

    @property
    def hash(self) -> str:
        """What is asked for: the agent with its schema, and the input."""
        return digest(["agent", self.definition.version, self.given])


@dataclass(frozen=True, kw_only=True)
class AskFunction(Called):
    """Have a function run once, and keep its result. Shape: `given` is what it is called with."""

    given: JSON
    do: Callable[[], Awaitable[JSON]]
    idempotent: bool = False

    @property
    def hash(self) -> str:
        """What is asked for."""
        return digest(["function", self.name, self.given])


@dataclass(frozen=True, kw_only=True)
class AskPerson(Called):
    """Ask a person for a yes or no. Shape: `given` is what is shown: {description, payload}."""

    given: dict[str, JSON]

    @property
    def hash(self) -> str:
        """What is asked for."""
        return digest(["checkpoint", self.given])


@dataclass(frozen=True, kw_only=True)
class BeginPhase(Called):
    """The phase of this name begins."""

    @property
    def hash(self) -> str:
        """What is asked for."""
        return digest(["phase", self.name])


@dataclass(frozen=True, kw_only=True)
class Withdraw:
    """The result of the call with this key is needed no more."""

    key: str


@dataclass(frozen=True, kw_only=True)
class Returned:
    """The program came to its end."""

    output: JSON


@dataclass(frozen=True, kw_only=True)
class Raised:
    """The program failed. Shape: `because` are the keys of the calls whose failure ended it."""

    error: str
    because: frozenset[str] = frozenset()


Ask = AskAgent | AskFunction | AskPerson
Move = Ask | BeginPhase | Withdraw | Returned | Raised


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of a call.

    Shape: `output` is the JSON of a function, or of an agent with a schema; `content` what an agent said, `reason` why
    it is no success, `limit` the kind of limit that stopped it. `corrections` counts how often an agent was told that
    it owes a result, or why the one it gave does not fit. `is_tried_again` says what the program did when it was told
    of this failure before: make the call once more, or not; None if it was not told.
    Units: `usd` at list price, of the thread and those below it.
    """

    key: str
    outcome: StepOutcome
    content: Content = ()
    output: JSON = None
    reason: str = ""
    limit: Literal["", "turns", "seconds", "tokens", "usd"] = ""
    thread: str = ""
    corrections: int = 0
    usage: Usage = field(default_factory=Usage)
    usd: Decimal = Decimal(0)
    is_tried_again: bool | None = None


class Playing(Protocol):
    """A program under way. Only who runs it may end it."""

    async def go_on(self, told: Told | None) -> Sequence[Move]:
        """Tell it what came of a call (first: nothing), and run it until it waits; what it did, in order.

        Shape: a result of a call that it has withdrawn is ignored. After Returned or Raised it is not to go on.
        """
        ...

    def close(self) -> None:
        """Drop it where it stands, whatever it thinks of that. May be called twice."""
        ...


class Program(Protocol):
    """Workflow code of this process.

    Shape: `phases` are the names that it declares. `source` is the SHA-256 of its source, or "".
    """

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def phases(self) -> Sequence[str]: ...
    @property
    def source(self) -> str: ...

    def play(self, input: JSON) -> Playing:
        """Begin it, from its top."""
        ...
