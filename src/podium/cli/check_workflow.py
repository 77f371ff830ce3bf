"""`podium check FILE.py:NAME`: is this workflow right, before anything is spent."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from podium.cli.agent_lines import agent_parts, told_model
from podium.cli.text import count, one_line
from podium.core.definitions import with_all_below
from podium.errors import BadInput

if TYPE_CHECKING:
    from podium.config import Config
    from podium.workflows.lint import Slip
    from podium.workflows.workflow import Workflow


def check_workflow(file: Path, model: str | None, *, is_strict: bool) -> None:
    """Check it and print what it is.

    Errors: BadInput for what `podium run` refuses, and for warnings if it is strict.
    """
    from podium.config import load_config
    from podium.core.definitions import SessionLimits
    from podium.flows import Pins
    from podium.workflows.file import load_workflow
    from podium.workflows.lint import lint

    if model is not None:
        raise BadInput("a workflow has the models of its agents: leave --model out")
    workflow = load_workflow(str(file), Path.cwd())
    Pins(workflow, SessionLimits().depth, {}).named()
    found = lint(workflow)
    for line in _summary(workflow, load_config(env=os.environ), found):
        print(line)
    if found and is_strict:
        raise BadInput(f"{file} has {count(len(found), 'warning')}, and --strict takes none")


def _summary(workflow: "Workflow", config: "Config", found: "list[Slip]") -> Iterator[str]:
    agents = {agent.name: agent for named in workflow.agents for agent in with_all_below(named)}
    takes = ", ".join(each.name for each in workflow.parameters) or "nothing"
    well = count(len(found), "warning") if found else "all is well"
    named = count(len(agents), "agent") if agents else "no agent that can be told before it runs"
    yield f"{one_line(workflow.name)}: a workflow of {named}, takes {takes}; {well}"
    if workflow.phases:
        yield f"phases: {one_line(', '.join(workflow.phases))}"
    for name, agent in agents.items():
        yield f"  {one_line(name)}: {one_line('; '.join(agent_parts(agent)))}"
    for model in dict.fromkeys(agent.model for agent in agents.values()):
        yield told_model(model, config)
    for slip in found:
        yield f"warning: line {slip.line}: {one_line(slip.said)} (docs/workflow-rules.md)"
