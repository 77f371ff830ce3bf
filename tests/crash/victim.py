"""A program that runs teams with real tools on a real data folder, for tests that kill it: `victim.py MODE FOLDER`.

    work            resume what is unfinished, then run one session after another until killed
    finish          resume what is unfinished, and end
    slow            one session whose models and tools take half a second each
    take SESSION    resume this session, or say why not

Shape: it says a line for each thing that happens, at once: `session ID` before a session is driven, `ack ID SEQ TYPE`
for each record it sees committed, `model-begin KEY`, `model-end KEY`, `tool-begin KEY` and `tool-end KEY`, and
`over ID REASON TEXT`. A key is the thread's task and the number of its turn. What tools do goes to FOLDER/journal,
outside the log.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from podium import Agent, ModelRequest, Podium, PodiumError, Rehearsal, Run, TextBlock, call, say, tool
from podium.models.rehearsal import Said

MODE, FOLDER = sys.argv[1], Path(sys.argv[2])
JOURNAL = FOLDER / "journal"
WORKDIR = FOLDER / "workdir"
PAUSE_S = 0.5 if MODE == "slow" else 0.03


def tell(line: str) -> None:
    """To whoever watches: the line is out when this returns."""
    os.write(1, f"{line}\n".encode())


def write_down(line: str) -> None:
    """Into the journal, for good."""
    journal = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(journal, f"{line}\n".encode())
    os.fsync(journal)
    os.close(journal)


def act(kind: str, key: str) -> str:
    tell(f"tool-begin {key}")
    time.sleep(PAUSE_S / 2)
    write_down(f"{kind} {key}")
    time.sleep(PAUSE_S / 2)
    tell(f"tool-end {key}")
    return f"{kind} {key}"


def once(key: str) -> str:
    """Does something that must not happen twice."""
    return act("once", key)


@tool(idempotent=True)
def again(key: str) -> str:
    """Does something that may happen again."""
    return act("again", key)


def bash(key: str) -> str:
    """A command that writes the key down in the shared workdir, takes a while, and must not happen twice."""
    return f"echo 'bash {key}' >> /workspace/journal; sleep {PAUSE_S}"


async def script(request: ModelRequest) -> Said:
    """What each agent does, turn by turn; a pure function of the request."""
    [told] = request.messages[0].content
    assert isinstance(told, TextBlock)
    task, turn = told.text, sum(message.role == "assistant" for message in request.messages)
    key = f"{task}.{turn}"
    tell(f"model-begin {key}")
    await asyncio.sleep(PAUSE_S)
    lines: dict[str, list[Said]] = {
        "lead": [
            [
                say("I hand it out"),
                call("middle", task=f"{task}/m"),
                call("leaf", task=f"{task}/l"),
                call("once", key=f"{key}o"),
            ],
            [
                call("bash", command=bash(f"{key}b")),
                call("write", path=f"/workspace/{key}", content=key),
                call("again", key=f"{key}a"),
            ],
            "done",
        ],
        "middle": [
            [call("leaf", task=f"{task}/1"), call("leaf", task=f"{task}/2"), call("bash", command=bash(f"{key}b"))],
            "middle is done",
        ],
        "leaf": [[call("once", key=f"{key}o"), call("again", key=f"{key}a")], "leaf is done"],
    }
    tell(f"model-end {key}")
    return lines[request.agent][turn]


async def watch(run: Run) -> None:
    tell(f"session {run.id}")
    async for record in run.records():
        tell(f"ack {run.id} {record.seq} {record.type}")
    result = await run.result()
    tell(f"over {run.id} {result.stop_reason} {result.text}")


async def main() -> None:
    WORKDIR.mkdir(parents=True, exist_ok=True)
    leaf = Agent("leaf", model="m", tools=[once, again])
    middle = Agent("middle", model="m", tools=["bash"], callable_agents=[leaf])
    lead = Agent("lead", model="m", tools=[once, again, "bash", "write"], callable_agents=[middle, leaf])
    async with Podium(FOLDER / "data", models={"m": Rehearsal(script)}) as podium:
        if MODE == "take":
            try:
                await watch(await podium.resume(sys.argv[3], agents=[lead]))
            except PodiumError as error:
                tell(f"refused {type(error).__name__}: {error}")
            return
        for row in await podium.unfinished():
            await watch(await podium.resume(row.id, agents=[lead]))
        if MODE == "finish":
            return
        while True:
            await watch(await podium.start(lead, os.urandom(4).hex(), workdir=WORKDIR))
            if MODE == "slow":
                return


if __name__ == "__main__":
    asyncio.run(main())
