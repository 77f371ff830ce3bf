"""One tool call: its effect, and what is recorded of it."""

from podium.core.content import text
from podium.core.moment import Moment
from podium.core.ports import Sandbox, Tool, ToolCall, ToolOutcome
from podium.core.records import AgentToolResult, FilesSeen, SandboxRestarted
from podium.core.thread import OpenCall, ThreadState
from podium.errors import PodiumError

NEW_SHELL = "(This is a new shell: the working directory, variables and background jobs of the earlier one are gone.)\n"


async def run_tool(tool: Tool, call: OpenCall, thread: ThreadState, sandbox: Sandbox | None) -> ToolOutcome:
    """What the call gave back; whatever goes wrong in a tool is an error result for the model."""
    try:
        return await tool.run(ToolCall(id=call.id, name=call.name, input=call.input, seen=thread.seen), sandbox)
    except PodiumError as error:
        return ToolOutcome(content=text(str(error)), is_error=True)
    except Exception as error:  # the edge: a tool may raise anything, and only its own call fails
        said = f"tool '{call.name}' raised {type(error).__name__}: {error}"
        return ToolOutcome(content=text(said), is_error=True)


def record_outcome(thread: ThreadState, call: OpenCall, outcome: ToolOutcome, at: Moment) -> None:
    """Record a call's result, and what goes with it."""
    content = outcome.content
    if outcome.new_shell and thread.has_shell:
        at.private(thread.id, SandboxRestarted(call=call.id))
        content = (*text(NEW_SHELL), *content)
    if outcome.seen:
        at.private(thread.id, FilesSeen(seen=dict(outcome.seen)))
    at.own(
        thread.id,
        AgentToolResult(
            id=at.event_id(), processed_at=at.now, tool_use_id=call.id, content=content, is_error=outcome.is_error
        ),
    )
