"""One tool call: its effect, and what is recorded of it."""

from podium.core.content import TextBlock, text
from podium.core.moment import Moment
from podium.core.ports import Sandbox, Tool, ToolCall, ToolOutcome
from podium.core.records import AgentToolResult, FilesSeen, SandboxRestarted
from podium.core.thread import OpenCall, ThreadState
from podium.errors import PodiumError

NEW_SHELL = "(This is a new shell: the working directory, variables and background jobs of the earlier one are gone.)\n"
MOST_CHARACTERS = 100_000  # of one block of a result. Source: the wire's own limit for tool output.


async def run_tool(tool: Tool, call: OpenCall, thread: ThreadState, sandbox: Sandbox | None) -> ToolOutcome:
    """What the call gave back; whatever goes wrong in a tool is an error result for the model."""
    try:
        return await tool.run(ToolCall(id=call.id, name=call.name, input=call.input, seen=thread.seen), sandbox)
    except PodiumError as error:
        return ToolOutcome(content=text(str(error)), is_error=True)
    except Exception as error:  # the edge: a tool may raise anything, and only its own call fails
        said = f"tool '{call.name}' raised {type(error).__name__}: {error}"
        return ToolOutcome(content=text(said), is_error=True)


def _recordable(said: str) -> str:
    """The text as the log and the model can take it: no lone surrogates, and not endless."""
    if len(said) > MOST_CHARACTERS:
        dropped = len(said) - MOST_CHARACTERS
        said = f"{said[:MOST_CHARACTERS]}\n({dropped:,} more characters were dropped: ask for less, or use a file)"
    return said.encode("utf-8", "replace").decode()


def record_outcome(thread: ThreadState, call: OpenCall, outcome: ToolOutcome, at: Moment) -> None:
    """Record a call's result, and what goes with it."""
    content = tuple(TextBlock(_recordable(block.text)) for block in outcome.content)
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
