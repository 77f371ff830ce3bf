"""A program whose workflow hands a long text over by path, for a test that kills it: `handoff_victim.py MODE FOLDER`.

written    kill it as soon as the file is there
called     kill it when the model of the agent is asked that is to read the file
finish     go on with what is unfinished, and print what came of it
"""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from podium import Agent, Podium, Rehearsal, WorkflowRun, call, workflow
from podium.patterns import map_over, perspectives

MODE, FOLDER = sys.argv[1], Path(sys.argv[2])
LONG = "The first line says what it is.\n" + "and on it goes " * 2_000

writer, reader = Agent("writer", model="m"), Agent("reader", model="m", tools=["read"])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watch() -> None:
    """Die in the moment the file has its name."""
    while not any(not file.name.startswith(".") for file in (FOLDER / "work").glob("handoffs/*")):
        pass
    die()


def script(request: Any) -> Any:
    if request.agent == "writer":
        return LONG
    if MODE == "called":
        die()
    told = request.messages[0].content[0].text
    if len(request.messages) == 1:
        return call("read", file_path=told.partition("in the file ")[2].split()[0])
    return request.messages[-1].content[0].content[0].text


@workflow
async def victim(run: WorkflowRun, name: str) -> list[str]:
    [made] = (await map_over(run, writer, [name], task="write on {item}")).results
    got = await perspectives(run, "what is it?", reader, views=["for", "against"], context={"report": made})
    return [each.text for each in got.results]


async def main() -> None:
    if MODE == "written":
        threading.Thread(target=watch, daemon=True).start()
    async with Podium(FOLDER / "data", models={"m": Rehearsal(script)}) as podium:
        if MODE == "finish":
            [row] = await podium.unfinished()
            result = await (await podium.resume(row.id, workflow=victim)).result()
            print(result.error or [text.splitlines()[0] for text in result.output])
        else:
            await podium.run(victim, "birds", workdir=FOLDER / "work")


asyncio.run(main())
