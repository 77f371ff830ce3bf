"""Records the golden log of a release, before it is tagged: `python tests/logs/record.py tests/logs/VERSION.json`.

The session holds every kind of end that a script can bring about: reports, typed results and corrections, a limit, a
failure, nested delegation, refused calls, a tool that fails, an interrupt with a pause, and a resume.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec

from podium import Agent, Limits, ModelRequest, Podium, Rehearsal, call, say
from podium.models.rehearsal import Said

RESULT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def broken() -> str:
    """Never works."""
    raise RuntimeError("no luck")


async def script(request: ModelRequest) -> Said:
    """What each agent does, from its own transcript alone."""
    turn = sum(message.role == "assistant" for message in request.messages)
    match request.agent:
        case "lead" if turn == 0:
            return [
                say("Everybody at once."),
                call("counter", task="count"),
                call("looper", task="loop"),
                call("faulty", task="fail"),
                call("nest", task="go deeper"),
                call("broken"),
                call("nobody"),
                call("counter", wrong=True),
            ]
        case "lead" if turn == 1:
            await asyncio.sleep(0.3)  # the interrupt comes here
            return "All is known."
        case "counter":
            steps: list[Said] = [
                call("add", a=1, b=2),
                "no result yet",
                call("submit_result", n="three"),
                call("submit_result", n=3),
            ]
            return steps[turn]
        case "looper":
            return [say(f"round {turn}"), call("add", a=turn, b=1)]
        case "faulty":
            raise RuntimeError("this model is down")
        case "nest":
            return [call("leaf", task="last")] if turn == 0 else "the leaf has reported"
        case _:
            return "done"


LEAF = Agent("leaf", model="m")
TEAM = Agent(
    "lead",
    model="m",
    tools=[broken],
    callable_agents=[
        Agent("counter", model="m", tools=[add], output_schema=RESULT),
        Agent("looper", model="m", tools=[add], limits=Limits(turns=3)),
        Agent("faulty", model="m"),
        Agent("nest", model="m", callable_agents=[LEAF]),
    ],
)


async def record() -> bytes:
    """Run the session: its log with its stored state, as JSON."""
    models = {"m": Rehearsal(script)}
    with tempfile.TemporaryDirectory() as folder:
        async with Podium(folder, models=models) as podium:
            run = await podium.start(TEAM, "do it all")
            async for entry in run.records():
                if entry.type == "delegation.closed" and b'"outcome":"limit"' in entry.body:
                    await run.interrupt(pause=True)
            await run.result()
            await (await podium.resume(run.id, agents=[TEAM])).result()
            store = podium.parts.store
            row = await store.session(run.id)
            golden = {
                "definitions": await store.definitions(row.agent),
                "records": [
                    {"thread": one.thread, "views": one.views, "at": one.at, "body": msgspec.Raw(one.body)}
                    for one in await store.records(run.id, limit=100_000)
                ],
                "session": {"facts": row.facts, "paused": row.paused, "head": row.head},
                "threads": await store.threads(run.id),
                "open_calls": await store.open_calls(run.id),
            }
    # Where this checkout lies is nobody's business.
    return msgspec.json.format(msgspec.json.encode(golden), indent=1).replace(f"{Path.cwd()}/".encode(), b"")


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(asyncio.run(record()))
