"""Self-hosted multi-agent orchestration on a durable event log."""

from typing import TYPE_CHECKING, Any

from podium import agents
from podium.app import Podium
from podium.approvals import Approval
from podium.comparison import Comparison, compare
from podium.core.content import DocumentBlock, ImageBlock, Message, TextBlock, ToolResultBlock, ToolUseBlock
from podium.core.definitions import Agent, Concurrency, Limits, SessionLimits
from podium.core.events import Usage
from podium.core.ports import Model, ModelRequest, Mount, Reply, Tool
from podium.core.records import Record
from podium.errors import CallFailed, Denied, JoinFailed, PodiumError
from podium.models.rehearsal import Generated, Rehearsal, call, say
from podium.one_call import resume, run, run_sync, stream
from podium.running import CallMade, Run, RunResult
from podium.tools.functions import tool
from podium.workflows.calls import Call, CallResult
from podium.workflows.joins import Gathered, n_of
from podium.workflows.run import WorkflowRun
from podium.workflows.workflow import Workflow, workflow

if TYPE_CHECKING:
    from podium.team import load_agent, load_agents

__all__ = [
    "Agent",
    "Approval",
    "Call",
    "CallFailed",
    "CallMade",
    "CallResult",
    "Comparison",
    "Concurrency",
    "Denied",
    "DocumentBlock",
    "Gathered",
    "Generated",
    "ImageBlock",
    "JoinFailed",
    "Limits",
    "Message",
    "Model",
    "ModelRequest",
    "Mount",
    "Podium",
    "PodiumError",
    "Record",
    "Rehearsal",
    "Reply",
    "Run",
    "RunResult",
    "SessionLimits",
    "TextBlock",
    "Tool",
    "ToolResultBlock",
    "ToolUseBlock",
    "Usage",
    "Workflow",
    "WorkflowRun",
    "agents",
    "call",
    "compare",
    "load_agent",
    "load_agents",
    "n_of",
    "resume",
    "run",
    "run_sync",
    "say",
    "stream",
    "tool",
    "workflow",
]


def __getattr__(name: str) -> Any:
    if name in ("load_agent", "load_agents"):  # only who reads files pays for YAML and Pydantic
        from podium import team

        return getattr(team, name)
    raise AttributeError(f"module 'podium' has no attribute '{name}'")
