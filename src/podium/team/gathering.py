"""The agents of a team, with those that it names and others define: agent files and ready-made agents."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from podium.core.definitions import SELF
from podium.entry import Problem, Where
from podium.errors import BadInput, UnknownName
from podium.team.agent_file import SUFFIX, Found, load_file
from podium.team.places import Places
from podium.team.shape import AgentEntry

_VOID = "lists tools, and none of them is here: it could do nothing. Give it others, or leave it out"


class Gathering:
    """Agents by name, as a team file would define them.

    Shape: `found` are those that others define, by the names that they have in the team. `problems` have their places
    in the team file.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        self.agents: dict[str, AgentEntry] = {}
        self.found: dict[str, Found] = {}
        self.problems: list[Problem] = []
        self._left_out: list[str] = []
        self._beside: dict[str, set[str]] = {}

    def define(self, name: str, entry: AgentEntry, folder: Path) -> None:
        """Take an agent of the team file; the files that it uses are relative to this folder."""
        place: Where = ("agents", name)
        if entry.use is None:
            self.agents[name] = entry
            return
        self.agents[name] = entry  # also if it cannot be used, so that nothing else is said of it
        try:
            found = self._used(entry.use, folder)
        except BadInput as error:
            self.problems.append(((*place, "use"), str(error)))
            return
        self.found[name] = found
        self._beside[name] = entry.model_fields_set - {"use"}
        self.agents[name] = _joined(found.entry, entry)
        if found.grant.is_void and "tools" not in entry.model_fields_set:
            self.problems.append(((*place, "use"), f"{found.origin} {_VOID}"))

    def add(self, found: Found) -> None:
        """Take an agent that others define, by its own name. Errors: BadInput if it could do nothing."""
        if found.grant.is_void:
            raise BadInput(f"{found.origin} {_VOID}")
        self.agents[found.name] = found.entry
        self.found[found.name] = found

    def add_every(self) -> list[str]:
        """Take all agents that can be found and are not here yet; the names of those that can be found.

        Shape: those that could do nothing are left out, with a note.
        """
        names = []
        for found in self.places.every():
            if found.grant.is_void and found.name not in self.agents:
                self._left_out.append(f"{found.origin} is left out: it {_VOID.partition(':')[0]}")
                continue
            names.append(found.name)
            if found.name not in self.agents:
                self.add(found)
        return names

    def complete(self, coordinator: str | None) -> None:
        """Take the agents that are called and not here yet; a coordinator that may call anybody calls all there are."""
        if coordinator is not None and self._calls_any(coordinator):
            barred = {name.lower() for name in (coordinator, *self.found[coordinator].grant.barred)}
            callees = [name for name in self.agents if name.lower() not in barred]
            self._call(coordinator, [*self.agents[coordinator].callable_agents, *callees])
        waiting = list(self.agents)
        for name in waiting:
            place: Where = ("agents", name, "callable_agents")
            callees = [self._called((*place, index), callee) for index, callee in enumerate(self._callees(name))]
            waiting += [each for each in dict.fromkeys(callees) if each in self.agents and each not in waiting]
            if callees != self._callees(name):
                self._call(name, callees)

    def notes(self, coordinator: str | None) -> Iterator[str]:
        """What of the files is otherwise here, each with its file."""
        for name, found in self.found.items():
            beside = self._beside.get(name, set())
            for key, said in found.notes:
                if key not in beside and not (key == "disallowedTools" and "tools" in beside):
                    yield said
            if self._calls_any(name) and name != coordinator:
                yield (
                    f"{found.origin}, tools: Agent without names calls nobody here: say whom, as in Agent(explore), so "
                    "that no two call each other"
                )
        yield from self._left_out

    def _used(self, use: str, folder: Path) -> Found:
        if use.endswith(SUFFIX):
            return load_file(folder / Path(use).expanduser())
        found = self.places.find(use)
        if found is None:
            raise unknown_agent(use, (), self.places)
        return found

    def need(self, place: Where, name: str) -> None:
        """Take the agent that stands at this place, if it is not here yet."""
        if name == SELF or self._called(place, name) != name:  # which a ready-made one is in other letters
            self.problems.append((place, str(unknown_agent(name, self.agents, self.places))))

    def _called(self, place: Where, callee: str) -> str:
        """The name that the callee has here; taken if need be, and left as it is if nobody knows it."""
        if callee == SELF or callee in self.agents:
            return callee
        try:
            found = self.places.find(callee)
            if found is None:
                self.problems.append((place, str(unknown_agent(callee, self.agents, self.places))))
                return callee
            if found.name not in self.agents:
                self.add(found)
        except BadInput as error:
            self.problems.append((place, str(error)))
            return callee
        return found.name

    def _callees(self, name: str) -> list[str]:
        return self.agents[name].callable_agents

    def _call(self, name: str, callees: list[str]) -> None:
        once = list(dict.fromkeys(callees))
        self.agents[name] = self.agents[name].model_copy(update={"callable_agents": once})

    def _calls_any(self, name: str) -> bool:
        found = self.found.get(name)
        is_said = "callable_agents" in self._beside.get(name, ())
        return found is not None and found.grant.calls_any and not is_said


def unknown_agent(name: str, known: Mapping[str, object] | tuple[()], places: Places) -> UnknownName:
    """What is said of a name that no agent has, and of files that could not be looked into."""
    broken = "; ".join(str(error) for error in places.broken)
    remedy = f"Some files could not be read: {broken}" if broken else ""
    return UnknownName("agent", name, {*known, *places.names}, remedy=remedy)


def _joined(base: AgentEntry, beside: AgentEntry) -> AgentEntry:
    """An agent with what a team file says beside it: that comes first; limits and permissions are joined."""
    said = beside.model_fields_set - {"use"}
    made = base.model_copy(update={key: getattr(beside, key) for key in said})
    limits = beside.limits.model_fields_set
    tools = made.tools
    return made.model_copy(
        update={
            "limits": base.limits.model_copy(update={key: getattr(beside.limits, key) for key in limits}),
            "permissions": {
                **{tool: asks for tool, asks in base.permissions.items() if tool in tools},
                **beside.permissions,
            },
        }
    )
