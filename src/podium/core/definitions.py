"""What a user defines: agents and limits; and what a session pins: definitions named by their content.

An `Agent` may hold Python functions and Pydantic models. `Definition` is its pure form: JSON, content-addressed by
`version`, so that a session goes on with exactly what it started with.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Literal, get_args

import msgspec

from podium.core.joins import MOST_RETRIES, Join, Rule, rule_of
from podium.core.json import JSON, digest
from podium.errors import BadInput, CyclicRoster, UnknownName

SELF = "self"
INHERIT = "inherit"  # as a model: that of the agent at the top of the team
Effort = Literal["low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)
Permission = Literal["always_allow", "always_ask"]
PERMISSIONS: tuple[Permission, ...] = ("always_allow", "always_ask")
SUBMIT = "submit_result"
START, SEND, LIST, WAIT, STOP = "start_agent", "send_to_agent", "list_agents", "wait_for_agents", "stop_agent"
TO_PARENT, CREATE = "send_to_parent", "create_agent"
HARNESS_TOOLS = frozenset([START, SEND, LIST, WAIT, STOP, TO_PARENT, SUBMIT, CREATE])
MAX_NAME = 256
MAX_SYSTEM = 100_000
NO_CALLEES = "is for agents that it calls, and it calls none; give it to who calls them"

# Without an input_schema of its own, an agent is called with these.
TASK_SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "task": {"type": "string", "minLength": 1, "description": "What to do, complete in itself."},
        "context": {"type": "string", "description": "What the agent needs to know; it sees nothing else."},
        "expected_output": {"type": "string", "description": "What to return, and in which form."},
    },
    "required": ["task"],
    "additionalProperties": False,
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a thread of this agent is stopped; None is no limit.

    Units: `turns` model replies; `seconds` of working time (waiting for a person does not count); `tokens` read and
    written by the thread's model calls; `usd` US dollars at list price, of the thread and of those below it.
    """

    turns: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    usd: Decimal | float | str | None = None

    def __post_init__(self) -> None:
        if self.usd is not None:
            object.__setattr__(self, "usd", dollars("limits.usd", self.usd))
        _check_whole("limits.turns", self.turns)
        _check_whole("limits.tokens", self.tokens)
        is_number = isinstance(self.seconds, int | float) and not isinstance(self.seconds, bool)
        if self.seconds is not None and not (is_number and isfinite(self.seconds) and self.seconds > 0):
            raise BadInput(f"limits.seconds must be a number above 0, not {self.seconds!r}; leave it out for no limit")


@dataclass(frozen=True, kw_only=True)
class SessionLimits(Limits):
    """Where a whole session is stopped; turns, seconds and tokens are sums over all its threads.

    Units: `seconds` of the primary thread's working time; `depth` levels of delegation below the coordinator;
    `live_threads` child threads that have not ended, at one time.
    """

    depth: int = 2
    live_threads: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_whole("limits.depth", self.depth)
        _check_whole("limits.live_threads", self.live_threads)


def dollars(name: str, value: Any) -> Decimal:
    """The amount, exactly as it was written: 0.1 is a tenth of a dollar.

    Errors: BadInput unless it is a number above 0.
    """
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) else Decimal(0)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise BadInput(f"{name} must be an amount of US dollars above 0, not {value!r:.40}; leave it out for no limit")
    return amount


def _check_whole(name: str, value: int | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value <= 0):
        raise BadInput(f"{name} must be a whole number above 0, not {value!r}; leave it out for no limit")


@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """How many model calls may be under way at once; None and absent names are no cap.

    Shape: `session` for the whole session; `models` and `providers` by name, shared by all sessions of the process.
    """

    session: int | None = None
    models: Mapping[str, int] = field(default_factory=dict)
    providers: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in [("session", self.session), *self.models.items(), *self.providers.items()]:
            _check_whole(f"concurrency of {name}", value)


@dataclass(frozen=True)
class Agent:
    """A named, immutable definition of who works: model, system prompt, tools, whom it may call, limits.

    Shape: `tools` are names of built-in tools ("bash", "read", "write", "edit", "glob", "grep"), Python functions, or
    objects of the Tool port. `callable_agents` are agents, or "self". Schemas are Pydantic models or JSON Schemas of an
    object. `description` tells a coordinator when to call this agent. `model` "inherit" is that of the coordinator at
    the top of the team. `effort` is how hard the model thinks, for models that have such a thing: "low" to "max".
    `permissions` says of tools by name whether a person is asked before each call: "always_ask", or "always_allow",
    which holds where nothing is said. With `inline_agents` it may define agents of its own as it works, with its model
    and some of its tools. `retries` is how often a call of an agent that failed, or ran out of time, is made again: a
    number for all of `callable_agents`, or numbers by name. `join` says of the agents that one reply calls when they
    are over: "best_effort" when all have ended in some way, "all" as soon as one gives no result, "any" as soon as one
    does, a number or `n_of(k)` when so many do; what is open then is stopped.
    Errors: BadInput for what cannot be used, with the agent's name and the remedy.
    """

    name: str
    model: str = field(kw_only=True)
    description: str = field(kw_only=True, default="")
    system: str = field(kw_only=True, default="")
    tools: Sequence[Any] = field(kw_only=True, default=())
    callable_agents: Sequence["Agent | str"] = field(kw_only=True, default=())
    input_schema: Any = field(kw_only=True, default=None)
    output_schema: Any = field(kw_only=True, default=None)
    limits: Limits = field(kw_only=True, default_factory=Limits)
    permissions: Mapping[str, str] = field(kw_only=True, default_factory=dict)
    inline_agents: bool = field(kw_only=True, default=False)
    effort: str | None = field(kw_only=True, default=None)
    retries: int | Mapping[str, int] = field(kw_only=True, default=0)
    join: Join | int = field(kw_only=True, default="best_effort")

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or len(self.name) > MAX_NAME:
            raise BadInput(f"an agent's name is a text of 1 to {MAX_NAME} characters, not {self.name!r:.80}")
        where = f"agent '{self.name}'"
        if not isinstance(self.model, str) or not self.model:
            raise BadInput(f"{where}: model must be the name of a model, not {self.model!r:.80}")
        if not isinstance(self.system, str) or len(self.system) > MAX_SYSTEM:
            raise BadInput(f"{where}: system must be a text of at most {MAX_SYSTEM:,} characters")
        for text in (self.name, self.model, self.description, self.system):
            if not isinstance(text, str) or text.encode("utf-8", "replace").decode() != text:
                raise BadInput(f"{where}: name, model, description and system are texts, in characters that UTF-8 has")
        if not isinstance(self.tools, list | tuple) or not isinstance(self.callable_agents, list | tuple):
            raise BadInput(f"{where}: tools and callable_agents are lists")
        if not isinstance(self.inline_agents, bool):
            raise BadInput(f"{where}: inline_agents is True or False, not {self.inline_agents!r:.80}")
        if type(self.limits) is not Limits:
            raise BadInput(f"{where}: limits must be Limits(turns=..., seconds=..., tokens=..., usd=...)")
        if self.effort is not None and self.effort not in EFFORTS:
            raise BadInput(f"{where}: effort must be one of {', '.join(EFFORTS)}, not {self.effort!r:.80}")
        if not isinstance(self.permissions, Mapping):
            raise BadInput(f"{where}: permissions maps names of tools to 'always_ask' or 'always_allow'")
        for tool, permission in self.permissions.items():
            if permission not in PERMISSIONS:
                raise BadInput(f"{where}: permissions of '{tool}' must be one of {', '.join(PERMISSIONS)}")
        object.__setattr__(self, "tools", tuple(self.tools))
        object.__setattr__(self, "callable_agents", tuple(self.callable_agents))
        for callee in self.callable_agents:
            if not isinstance(callee, Agent) and callee != SELF:
                raise BadInput(f"{where}: callable_agents takes agents or 'self', not {callee!r:.80}")
        self._check_calls(where)

    def _check_calls(self, where: str) -> None:
        """Whether `retries` and `join` fit whom it calls."""
        names = [callee.name if isinstance(callee, Agent) else SELF for callee in self.callable_agents]
        by_name = isinstance(self.retries, Mapping)
        for name, number in self.retries.items() if isinstance(self.retries, Mapping) else [("", self.retries)]:
            check_retries(number, f"{where}: retries{f' of {name!r}' if by_name else ''}")
            if by_name and name not in names:
                raise UnknownName("agent", name, names, where=f"{where}, retries")
        try:
            rule = rule_of(self.join)
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from None
        object.__setattr__(self, "join", rule)
        if not names and (self.retries or (rule != "best_effort" and not self.inline_agents)):
            key = "retries" if self.retries else "join"
            raise BadInput(f"{where}: {key} {NO_CALLEES}")


def check_retries(number: Any, what: str) -> None:
    """Errors: BadInput for a number of retries that is none."""
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MOST_RETRIES:
        raise BadInput(f"{what} must be a whole number from 0 to {MOST_RETRIES}, not {number!r:.40}")


def with_all_below(agent: Agent) -> list[Agent]:
    """The agent and everyone whom it, or who it calls, may call; each once, those nearer to it first."""
    found = [agent]
    for above in found:
        found += [it for it in above.callable_agents if isinstance(it, Agent) and not any(it is one for one in found)]
    return found


# --- the pinned form -----------------------------------------------------------------------------


class ToolSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A tool as the model sees it, and where it comes from.

    Shape: `source` is "built_in", "function" of a program, or "custom": the client answers its calls.
    """

    name: str
    description: str
    input_schema: dict[str, JSON]
    source: str = "built_in"
    idempotent: bool = False
    permission: Permission = "always_allow"


class Callee(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A roster entry: the tool name the coordinator calls, and the version of the agent behind it, or "self".

    Shape: a call that failed is made again up to `retries` times.
    """

    tool: str
    version: str
    retries: int = 0


class Definition(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An agent as a session pins it.

    Shape: `settings` are those of the model that are not the usual: effort, speed, inference_geo. `roster` points to
    other definitions by version, so a definition names its whole team. With `inline` it may define one-off agents as it
    works; `tools_from` is the name of the agent that did, whose tools these are. With a `program`, the name of a
    workflow, its thread calls no model: the workflow drives it. `join` says when the agents that one reply calls are
    over; a number that is too large is "all". `wire` is the agent as the server's
    API shows it, its roster as references; empty for agents of a program or a team file, and no more than its `type`,
    "inline", for those that such an agent defines.
    Units: limits as in `Limits`.
    """

    name: str
    model: str
    description: str = ""
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    roster: tuple[Callee, ...] = ()
    input_schema: dict[str, JSON] | None = None
    output_schema: dict[str, JSON] | None = None
    turns: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    usd: Decimal | None = None
    inline: bool = False
    settings: dict[str, JSON] = {}
    tools_from: str = ""
    wire: dict[str, JSON] = {}
    program: str = ""
    join: Rule = "best_effort"

    @property
    def version(self) -> str:
        """SHA-256 of the definition, in hex: equal definitions are the same version."""
        return digest(msgspec.to_builtins(self))

    @property
    def agent_id(self) -> str:
        """What the server's API calls the agent; one of a program or a team file is named by its content."""
        return str(self.wire.get("id") or f"agent_{self.version[:24]}")

    @property
    def agent_number(self) -> int:
        """The number of the agent's version on the server's API."""
        return int(self.wire.get("version") or 1)

    @property
    def delegates(self) -> bool:
        """Whether it has others work for it."""
        return bool(self.roster) or self.inline

    def called_with(self) -> dict[str, JSON]:
        """The schema of what a coordinator must give to call this agent."""
        return self.input_schema if self.input_schema is not None else TASK_SCHEMA


def tool_name(agent_name: str) -> str:
    """The agent's name as a tool name: other characters become '_', at most 64."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", agent_name)[:64]


def depth_of(version: str, definitions: Mapping[str, Definition]) -> tuple[str, ...]:
    """The longest chain of agent names below and including this one; entries for 'self' do not count."""
    known: dict[str, tuple[str, ...]] = {}  # rosters share agents: each is looked at once

    def chain(version: str) -> tuple[str, ...]:
        if version not in known:
            definition = definitions[version]
            below = [chain(callee.version) for callee in definition.roster if callee.version != SELF]
            known[version] = (definition.name, *max(below, key=len, default=()))
        return known[version]

    return chain(version)


def check_circles(calls: Mapping[str, Iterable[str]]) -> None:
    """Refuse agents that call each other in a circle, by name; 'self' is allowed.

    Errors: CyclicRoster with the circle.
    """
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise CyclicRoster([*path[path.index(name) :], name])
        if name in finished:
            return
        for callee in calls.get(name, ()):
            if callee != SELF:
                visit(callee, (*path, name))
        finished.add(name)

    for name in calls:
        visit(name, ())
