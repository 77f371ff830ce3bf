"""How long a plan takes beside its critical path: the same steps in Podium, LangGraph and bare asyncio.

Steps take uneven times, so whoever waits for a whole level before the next one begins loses time. Each step is one call
of a fake model (Podium) or one node (LangGraph) that sleeps as long as the step takes, and checks that it was given the
results of exactly the steps it depends on. `podium` has its durable log (SQLite, synchronous=FULL); `langgraph` has no
log, `langgraph-sqlite` its SQLite checkpoints, as it makes them by default.

plan.py [--scale 4] [--repeats 3] [--shapes lanes random] [--systems asyncio podium langgraph langgraph-sqlite]

At scale 4 steps take 0.08 to 2.4 s, which is little for an agent; at scale 1 a quarter of that, where what a step costs
beside its model call shows more. Both figures stand in the output: the ratio, and the milliseconds for each step of the
longest chain.

The environment of LangGraph is that of `run_all.py environments`; without it LangGraph is left out, and said to be.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import tempfile
import time

Steps = dict[str, tuple[float, list[str]]]  # by id: seconds, and what it depends on; in an order that can be run
SYSTEMS = ("asyncio", "podium", "langgraph", "langgraph-sqlite")


def lanes() -> Steps:
    """Six lanes of ten steps, each with its slow steps elsewhere, and one step at the end that needs all."""
    chance, steps = random.Random(5), Steps()
    for lane in range(6):
        for number in range(10):
            slow = number % 6 == lane
            seconds = 0.6 if slow else round(chance.uniform(0.05, 0.2), 3)
            steps[f"l{lane}s{number}"] = seconds, [f"l{lane}s{number - 1}"] if number else []
    steps["end"] = 0.1, [f"l{lane}s9" for lane in range(6)]
    return steps


def anyhow() -> Steps:
    """A hundred steps that depend on up to three of the twelve before them, and take 20 to 600 ms, most of them little."""
    chance, steps = random.Random(7), Steps()
    for number in range(100):
        before = list(steps)[-12:]
        needs = chance.sample(before, min(len(before), chance.randint(0, 3)))
        steps[f"s{number}"] = round(0.02 + 0.58 * chance.random() ** 3, 3), needs
    return steps


SHAPES = {"lanes": lanes, "random": anyhow}


def scaled(shape: str, scale: float) -> Steps:
    """The steps of this shape, with longer or shorter times."""
    return {id: (seconds * scale, needs) for id, (seconds, needs) in SHAPES[shape]().items()}


def chain(steps: Steps) -> int:
    """How many steps the critical path has."""
    end: dict[str, tuple[float, int]] = {}
    for id, (seconds, needs) in steps.items():
        before, links = max((end[each] for each in needs), default=(0.0, 0))
        end[id] = before + seconds, links + 1
    return max(end.values())[1]


def critical_s(steps: Steps) -> float:
    """The least time the steps can take."""
    end: dict[str, float] = {}
    for id, (seconds, needs) in steps.items():
        end[id] = seconds + max((end[each] for each in needs), default=0.0)
    return max(end.values())


def by_levels_s(steps: Steps) -> float:
    """The least time they can take if each level waits for all of the one before."""
    level: dict[str, int] = {}
    for id, (_, needs) in steps.items():
        level[id] = 1 + max((level[each] for each in needs), default=0)
    return sum(max(steps[id][0] for id in steps if level[id] == each) for each in set(level.values()))


# --- the systems -----------------------------------------------------------------------------------------------------


async def on_asyncio(steps: Steps) -> float:
    """Bare tasks: the floor."""
    made: dict[str, asyncio.Task[str]] = {}

    async def take(id: str) -> str:
        seconds, needs = steps[id]
        given = [await made[each] for each in needs]
        assert given == [f"result of {each}" for each in needs]
        await asyncio.sleep(seconds)
        return f"result of {id}"

    began = time.perf_counter()
    for id in steps:
        made[id] = asyncio.create_task(take(id))
    await asyncio.gather(*made.values())
    return time.perf_counter() - began


async def on_podium(steps: Steps) -> float:
    """A plan, with its log."""
    from podium import Agent, ModelRequest, Podium, Rehearsal, WorkflowRun, workflow
    from podium.core.content import TextBlock
    from podium.patterns import Plan, PlanResult, Step, run_plan

    async def script(request: ModelRequest) -> str:
        [block] = request.messages[0].content
        assert isinstance(block, TextBlock)
        id = block.text.split()[1]
        seconds, needs = steps[id]
        given = [line for line in block.text.splitlines() if line.startswith("result of ")]
        assert given == [f"result of {each}" for each in needs], given
        await asyncio.sleep(seconds)
        return f"result of {id}"

    worker = Agent("worker", model="fake")
    plan = Plan(
        steps=tuple(
            Step(id=id, agent="worker", task=f"Do {id} .", depends_on=tuple(needs)) for id, (_, needs) in steps.items()
        )
    )

    @workflow
    async def runs(run: WorkflowRun, what: Plan) -> PlanResult:
        return await run_plan(run, what, [worker])

    with tempfile.TemporaryDirectory() as folder:
        async with Podium(folder, models={"fake": Rehearsal(script)}) as podium:
            await podium.run(runs, Plan(steps=plan.steps[:1]))  # imports, caches
            began = time.perf_counter()
            result = await podium.run(runs, plan)
            wall = time.perf_counter() - began
    assert not result.output.missing, result.output.missing
    return wall


def one(system: str, shape: str, scale: float) -> float:
    """The seconds it took."""
    steps = scaled(shape, scale)
    match system:
        case "asyncio":
            return asyncio.run(on_asyncio(steps))
        case "podium":
            return asyncio.run(on_podium(steps))
        case _:
            from plan_langgraph import on_langgraph

            return asyncio.run(on_langgraph(steps, durable=system.endswith("sqlite")))


# --- all of them -----------------------------------------------------------------------------------------------------


def measured(system: str, shape: str, scale: float) -> float | None:
    """The seconds it took in a process of its own; None if it is not installed."""
    from run_all import python

    interpreter = python(system.partition("-")[0])
    if not os.path.exists(interpreter):
        return None
    done = subprocess.run(
        [interpreter, __file__, "--one", system, shape, str(scale)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{system} failed on {shape}:\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--scale", type=float, default=4.0)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--shapes", nargs="*", choices=SHAPES, default=list(SHAPES))
    arguments.add_argument("--systems", nargs="*", choices=SYSTEMS, default=list(SYSTEMS))
    arguments.add_argument("--one", nargs=3, metavar=("SYSTEM", "SHAPE", "SCALE"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.one:
        system, shape, scale = given.one
        print(json.dumps(one(system, shape, float(scale))))
        return
    for shape in given.shapes:
        steps = scaled(shape, given.scale)
        least, links = critical_s(steps), chain(steps)
        print(
            f"{shape}: {len(steps)} steps; critical path {least:.2f} s, level by level {by_levels_s(steps) / least:.2f}"
        )
        walls: dict[str, list[float]] = {system: [] for system in given.systems}
        for _ in range(given.repeats):
            for system in given.systems:  # interleaved: a slow minute of the machine hits all alike
                if (wall := measured(system, shape, given.scale)) is not None:
                    walls[system].append(wall)
        for system, took in walls.items():
            if not took:
                print(f"  {system:18} is not installed: `run_all.py environments` makes its environment")
                continue
            ratios = sorted(wall / least for wall in took)
            print(
                f"  {system:18} {statistics.median(ratios):.3f} of the critical path "
                f"({ratios[0]:.3f} to {ratios[-1]:.3f} in {len(ratios)} runs), "
                f"{(statistics.median(took) - least) / links * 1000:.1f} ms a step; load {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    main()
