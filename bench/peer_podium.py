"""Podium: the ordinary library calls, the durable SQLite log with synchronous=FULL, nothing switched off.

Delegation is Podium's own: the coordinator's reply calls the agent on its roster N times. `run` opens the data folder
for each run, as a script does; `open` keeps it open over runs, as a service does.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import common
from common import ORCH_FINAL, SUB_FINAL, TURNS, USAGE_IN, USAGE_OUT, main, think

from podium import Agent, ModelRequest, Podium, Reply, Usage, run
from podium.core.content import TextBlock, ToolUseBlock

USAGE = Usage(input_tokens=USAGE_IN, output_tokens=USAGE_OUT)


class Fake:
    """The workload's model: it decides from the request alone."""

    provider = "fake"

    async def reply(self, request: ModelRequest) -> Reply:
        await think()
        turn = len(request.messages) // 2
        if request.agent == "orch":
            return self._orchestrate(request, turn)
        if turn < TURNS - 1:
            return Reply((ToolUseBlock("", "lookup", {"query": "q"}),), "tool_use", USAGE)
        return Reply((TextBlock(SUB_FINAL),), "end_turn", USAGE)

    def _orchestrate(self, request: ModelRequest, turn: int) -> Reply:
        if turn == 0:
            task = request.messages[0].content[0]
            assert isinstance(task, TextBlock)
            calls = tuple(ToolUseBlock("", "sub", {"task": str(i)}) for i in range(int(task.text)))
            return Reply(calls, "tool_use", USAGE)
        return Reply((TextBlock(ORCH_FINAL),), "end_turn", USAGE)


SUB = Agent("sub", model="fake", tools=[common.lookup])
ORCH = Agent("orch", model="fake", callable_agents=[SUB])
MODELS = {"fake": Fake()}
Runner = Callable[[int], Awaitable[str]]


@contextlib.asynccontextmanager
async def durable(args: object) -> AsyncIterator[Runner]:
    folder = args.dir  # type: ignore[attr-defined]

    async def once(n: int) -> str:
        return str((await run(ORCH, str(n), data=folder, models=MODELS)).output)

    yield once


@contextlib.asynccontextmanager
async def kept_open(args: object) -> AsyncIterator[Runner]:
    async with Podium(args.dir, models=MODELS) as podium:  # type: ignore[attr-defined]

        async def once(n: int) -> str:
            return str((await podium.run(ORCH, str(n))).output)

        yield once


if __name__ == "__main__":
    main({"run": durable, "open": kept_open})
