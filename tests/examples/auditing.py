"""Runs the audit of examples/codebase-audit by the library, without its pauses, and reads what came of it."""

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from podium import Agent, Model, Mount, Podium, RunResult
from podium.sandbox.bubblewrap import Bubblewrap
from podium.team import Team, load_team

EXAMPLE = Path(__file__).parents[2] / "examples/codebase-audit"
SPECIALISTS = ("structure", "tests", "dependencies", "risks")
ROW = re.compile(r"^\| (\w+) \| (.+?) \| (\d+) \| (\d+|-) \| (.*) \|$", re.M)


@dataclass(frozen=True)
class Row:
    """A line of the audit's verification."""

    specialist: int
    verifier: int | None
    note: str


@dataclass(frozen=True)
class Audited:
    """An audit that was written."""

    result: RunResult
    text: str

    @property
    def rows(self) -> dict[tuple[str, str], Row]:
        """The verification, by part and figure."""
        return rows_of(self.text)


def rows_of(text: str) -> dict[tuple[str, str], Row]:
    """The verification of an audit, by part and figure."""
    found = ROW.findall(text)
    return {(part, name): Row(int(a), None if b == "-" else int(b), note) for part, name, a, b, note in found}


def figures_of(text: str) -> dict[str, dict[str, int]]:
    """What the specialists counted, by part and figure."""
    rows = rows_of(text)
    return {part: {name: row.specialist for (of, name), row in rows.items() if of == part} for part in SPECIALISTS}


def team() -> Team:
    """The example's team."""
    return load_team(EXAMPLE / "team.yaml")


def without(tool: str, agents: tuple[str, ...]) -> Agent:
    """The team's coordinator, with this tool taken from these agents."""
    lead = team().coordinator
    called = [callee for callee in lead.callable_agents if isinstance(callee, Agent)]
    kept = [
        replace(agent, tools=[name for name in agent.tools if name != tool]) if agent.name in agents else agent
        for agent in called
    ]
    return replace(lead, callable_agents=kept)


@cache
def sandboxes() -> Bubblewrap:
    """One for all tests: it tests itself once."""
    return Bubblewrap()


async def audit(source: Path, folder: Path, *, lead: Agent | None = None, model: Model | None = None) -> Audited:
    """Audit the source; `model` answers in place of the rehearsal."""
    example, workdir = team(), folder / "workdir"
    workdir.mkdir(parents=True)
    how = {"models": {"rehearsal": model}} if model else {"rehearsal": example.rehearsal}
    async with Podium(folder / "data", sandboxes=sandboxes()) as podium:
        result = await podium.run(
            lead or example.coordinator,
            "Audit the code base at /source.",
            workdir=workdir,
            mounts=[Mount(path=source, at="/source")],
            rehearsal_folder=example.folder,
            limits=example.limits,
            **how,
        )
    return Audited(result, (workdir / "audit.md").read_text(encoding="utf-8"))
