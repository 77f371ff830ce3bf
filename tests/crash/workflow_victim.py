"""A program that runs a workflow on a real data folder, for a test that kills it: `workflow_victim.py MODE FOLDER`.

    work     go on with what is unfinished or has failed, then run one workflow after another until killed
    finish   go on with what is unfinished or has failed, until nothing is left to do, and end

Shape: what functions and tools do goes to FOLDER/journal, outside the log. It says `begins` when it has come to
run, `did` with each of these, and `over ID` for each workflow that is done.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from podium import Agent, Approval, CallFailed, Podium, Rehearsal, RunResult, WorkflowRun, call, tool, workflow

MODE, FOLDER = sys.argv[1], Path(sys.argv[2])
PAUSE_S = 0.02


def write_down(line: str) -> None:
    """Into the journal, for good."""
    journal = os.open(FOLDER / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(journal, f"{line}\n".encode())
    os.fsync(journal)
    os.close(journal)


def act(kind: str, key: str) -> str:
    time.sleep(PAUSE_S)
    write_down(f"{kind} {key}")
    os.write(1, f"did {kind} {key}\n".encode())
    time.sleep(PAUSE_S)
    return f"{kind} {key}"


def once(key: str) -> str:
    """Does something that must not happen twice without anybody having looked."""
    return act("once", key)


@tool(idempotent=True)
def again(key: str) -> str:
    """Does something that may happen again."""
    return act("again", key)


async def script(request: Any) -> Any:
    task, turn = request.messages[0].content[0].text, len(request.messages)
    await asyncio.sleep(PAUSE_S)
    if request.agent == "broken":
        raise RuntimeError("broken")
    if request.agent == "careful" and turn == 1:
        return call("again", key=task)
    if request.agent == "checker":
        is_good = "a good draft" in task
        return call("submit_result", verified=is_good, issues=[] if is_good else ["not good"], confidence=1)
    if request.agent == "writer":
        return "a good draft" if "[issues]" in task else "a draft"
    return f"{request.agent} did {task}"


careful = Agent("careful", model="m", tools=[again])
quick, broken, writer, checker = (Agent(name, model="m") for name in ("quick", "broken", "writer", "checker"))


@workflow
async def victim(run: WorkflowRun, name: str) -> list[Any]:
    async def branch(n: int) -> str:
        got = await run.agent(careful, f"{name}.{n}")
        return f"{got} {await run.step(act, 'again', f'{name}.f{n}', idempotent=True)}"

    run.phase("all at once")
    got = await run.gather(branch(1), branch(2), run.agent(broken, f"{name}.b", retries=1), join="best_effort")
    first = await run.gather(run.agent(quick, f"{name}.q"), run.agent(broken, f"{name}.c"), join="any")
    run.phase("one by one")
    draft = await run.agent(writer, name)
    checked = await run.verify(draft, by=checker, against=got)
    await run.checkpoint("go on", payload={"name": name})
    done = await run.step(once, f"{name}.o")
    try:
        await run.agent(broken, f"{name}.d")
    except CallFailed as error:
        return [*got, *(str(each) for each in first), checked.output, checked.attempts, done, error.end]
    return []


def approve(approval: Approval) -> bool:
    return True


async def ended(podium: Podium, result: RunResult) -> None:
    while result.stop_reason == "retries_exhausted":  # somebody has looked at what a function did, and goes on
        run = await podium.resume(result.session_id, workflow=victim, approve=approve)
        result = await run.result()
    os.write(1, f"over {result.session_id}\n".encode())


async def main() -> None:
    os.write(1, b"begins\n")
    async with Podium(FOLDER / "data", models={"m": Rehearsal(script)}) as podium:
        for row in reversed(await podium.parts.store.sessions()):
            reason = row.facts.stop_reason
            waits = reason is not None and reason.type == "requires_action"
            if row.is_unfinished or row.has_failed_run or waits:
                run = await podium.resume(row.id, workflow=victim, approve=approve)
                await ended(podium, await run.result())
        while MODE == "work":
            run = await podium.start(victim, os.urandom(3).hex(), approve=approve)
            os.write(1, f"session {run.id}\n".encode())
            await ended(podium, await run.result())


if __name__ == "__main__":
    asyncio.run(main())
