"""One tool call: its effect, and what is recorded of it."""

import asyncio
from collections.abc import Callable

from podium.core.content import Content, TextBlock, text
from podium.core.facts import FilesSeen, SandboxRestarted
from podium.core.moment import Moment
from podium.core.ports import Sandbox, Tool, ToolCall, ToolOutcome
from podium.core.thread import OpenCall, ThreadState
from podium.engine.acceptance import accept_outcome, is_cancelled, mended
from podium.errors import PodiumError

NEW_SHELL = "(This is a new shell: the working directory, variables and background jobs of the earlier one are gone.)\n"
MOST_CHARACTERS = 100_000  # of one block of a result. Source: the wire's own limit for tool output.
LAST_CHARACTERS = 10_000  # of these, kept from its end


async def run_tool(
    tool: Tool | None, call: OpenCall, thread: ThreadState, sandbox_of: Callable[[ThreadState], Sandbox]
) -> ToolOutcome:
    """What the call gave back; whatever goes wrong in a tool is an error result for the model.

    Shape: without a `tool` it was taken from the agent while the call waited for a person.
    """
    if tool is None:
        return _failed(f"not run: the tool '{call.name}' was taken from agent '{thread.definition.name}'")
    try:
        sandbox = sandbox_of(thread) if tool.needs_sandbox else None
        outcome = await tool.run(ToolCall(id=call.id, name=call.name, input=call.input, seen=thread.seen), sandbox)
        if is_cancelled():  # the tool swallowed it
            raise asyncio.CancelledError
    except PodiumError as error:
        return _failed(str(error))
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        return _failed(f"tool '{call.name}' raised CancelledError")
    except (Exception, SystemExit) as error:  # the edge: a tool may raise anything, and only its own call fails
        return _failed(f"tool '{call.name}' raised {type(error).__name__}: {error}")
    try:
        return accept_outcome(outcome)
    except (TypeError, ValueError, RecursionError) as error:
        return _failed(f"the result of tool '{call.name}' cannot be used: {error}")


def _failed(said: str) -> ToolOutcome:
    return ToolOutcome(content=text(mended(said)), is_error=True)


def _bounded(said: str) -> str:
    """The text, cut in its middle if it is endless: tools say at the end what became of the call."""
    if len(said) <= MOST_CHARACTERS:
        return said
    dropped = len(said) - MOST_CHARACTERS
    head, tail = said[: MOST_CHARACTERS - LAST_CHARACTERS], said[-LAST_CHARACTERS:]
    return f"{head}\n[... {dropped:,} characters were dropped here: ask for less, or use a file ...]\n{tail}"


def record_outcome(thread: ThreadState, call: OpenCall, outcome: ToolOutcome, at: Moment) -> None:
    """Record a call's result, and what goes with it."""
    content: Content = tuple(
        TextBlock(_bounded(block.text)) if isinstance(block, TextBlock) else block for block in outcome.content
    )
    if outcome.new_shell and thread.has_shell:
        at.private(thread.id, SandboxRestarted(call=call.id))
        content = (*text(NEW_SHELL), *content)
    if outcome.seen:
        at.private(thread.id, FilesSeen(seen=dict(outcome.seen)))
    at.tool_result(thread.id, call.id, content, is_error=outcome.is_error)
