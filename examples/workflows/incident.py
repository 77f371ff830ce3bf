"""Incident triage: three look at once, a lead proposes a remedy, a person says yes or no, and only then it is done.

    .venv/bin/python examples/workflows/incident.py [--yes]

It needs no key: `script` answers in the models' place. One of the three fails in it, which holds nobody up. The files
are real: read in the sandbox, and changed by `roll_back` alone. For real models put their names into LOOKING and
LEADING, and take `models=` out of `main`.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from podium import (
    Agent,
    Approval,
    Denied,
    Limits,
    ModelRequest,
    Rehearsal,
    RunResult,
    ToolResultBlock,
    WorkflowRun,
    call,
    run_sync,
    workflow,
)
from podium.core.content import plain
from podium.patterns import parallel

LOOKING = LEADING = "rehearsed"
REPORT = "The shop answers with error 500 since ten o'clock."


class Remedy(BaseModel):
    """What the lead owes. Shape: `version` is one that ran before."""

    version: str
    why: str


class Triage(BaseModel):
    """What the workflow returns: what was done, or who has to go on with what is known."""

    end: Literal["rolled back", "escalated"]
    said: str


looking: dict[str, Any] = {"model": LOOKING, "tools": ["read", "grep"], "limits": Limits(turns=10)}
logs = Agent("logs", system="You read logs.txt, and say what fails since when.", **looking)
metrics = Agent("metrics", system="You read metrics.csv, and say what changed when.", **looking)
deploys = Agent("deploys", system="You read deploys.json, and say what was put in place when.", **looking)
lead = Agent("lead", model=LEADING, system="You find the one cause that explains what is known, and the remedy.")


@workflow
async def triage(run: WorkflowRun, report: str) -> Triage:
    """Look, propose, ask, and roll back; or hand over to people."""
    run.phase("looking")
    tasks = {each.name: (each, f"What do you see of this: {report}") for each in (logs, metrics, deploys)}
    seen = await parallel(run, tasks, join="best_effort", retries=1)
    run.phase("deciding")
    remedy = await run.agent(
        lead, f"Which version do we go back to, and why? {report}", context=seen, output_schema=Remedy, name="remedy"
    )
    known = await run.step(lambda: versions(run.workdir), name="versions")
    if remedy.output.version not in known:
        return await escalated(run, seen, f"the lead proposes version {remedy.output.version}, which never ran")
    try:
        await run.checkpoint(f"Roll back to {remedy.output.version}", payload=remedy.output)
    except Denied as no:
        return await escalated(run, seen, f"no to version {remedy.output.version}: {no.reason}")
    run.phase("doing")
    done = await run.step(lambda version: roll_back(run.workdir, version), remedy.output.version, name="roll back")
    return Triage(end="rolled back", said=done)


async def escalated(run: WorkflowRun, seen: Any, why: str) -> Triage:
    """What people need to go on: nothing was changed."""
    run.phase("escalating")
    context = [seen, {"why nothing was done": why}]
    return Triage(end="escalated", said=(await run.agent(lead, "Write to who is on call.", context=context)).text)


def versions(folder: Path) -> list[str]:
    """The versions that ran."""
    return [deploy["version"] for deploy in json.loads((folder / "deploys.json").read_text())]


def roll_back(folder: Path, version: str) -> str:
    """Put the version in place. Not idempotent: if the process ends in here, a person is to look."""
    file = folder / "deploys.json"
    file.write_text(json.dumps([*json.loads(file.read_text()), {"at": "10:30", "version": version}]))
    return f"version {version} is in place"


# --- the rehearsal -----------------------------------------------------------------------------------

FILES = {
    "logs.txt": "09:58 200 /cart\n10:01 500 /cart KeyError: 'vat'\n10:02 500 /cart KeyError: 'vat'\n",
    "deploys.json": json.dumps([{"at": "08:00", "version": "1.41"}, {"at": "10:00", "version": "1.42"}]),
}


def script(request: ModelRequest) -> Any:
    """What the models would do: two read their file, the third finds none; the lead decides, or writes."""
    told, last = plain(request.messages[0].content), request.messages[-1].content[0]  # type: ignore[arg-type]
    if request.agent == "metrics":
        raise RuntimeError("monitoring is down")
    if request.agent == "lead":
        if "who is on call" in told:
            return f"Please look: {told.partition('[why nothing was done]')[2].strip()}"
        return call("submit_result", version="1.41", why="The errors began with 1.42.")
    if not isinstance(last, ToolResultBlock):
        return call("read", file_path={"logs": "logs.txt", "deploys": "deploys.json"}[request.agent])
    return f"I see this:\n{plain(last.content)}"


def made_plant() -> Path:
    """A folder with an incident in it."""
    folder = Path(tempfile.mkdtemp())
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def on_the_terminal(approval: Approval) -> bool | str:
    """Ask whoever started it."""
    print(f"{approval.input['description']}? {approval.input['payload']}", flush=True)
    try:
        return input("y/n: ").strip() == "y" or "not now"
    except EOFError:
        return "nobody was there to be asked"


def main(folder: Path, *, yes: bool = False, data: Path | str = ".podium") -> RunResult:
    """One incident, from the report to its end."""
    approve = (lambda _: True) if yes else on_the_terminal
    models = {"rehearsed": Rehearsal(script)}
    return run_sync(triage, REPORT, workdir=folder, data=data, models=models, approve=approve)


if __name__ == "__main__":
    result = main(made_plant(), yes="--yes" in sys.argv)
    print(result.error or f"{result.output.end}: {result.output.said}")
    sys.exit(1 if result.error else 0)
