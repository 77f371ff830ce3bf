"""Any workflow as code that runs in a lab, with its model, its functions and the person who answers."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from podium import Agent, Call, CallFailed, Limits, ModelRequest, Workflow, WorkflowRun, call, n_of, say, workflow
from podium.core.content import TextBlock
from podium.core.inputs import Confirm
from podium.core.thread import OpenCall
from podium.errors import ModelFailed, NotFound, Refused
from tests.lab.lab import SESSION, Lab, Live
from tests.lab.log import Played
from tests.lab.world import Fuse, Killed
from tests.scenario.any_program import KEEPER, LOST, Leaf, Node, Tree, leaves

AGENT = Agent("worker", model="m")
SHORT = Agent("short", model="m")  # its calls meet a limit
WAITS = Agent(KEEPER, model="m")


class Trial:
    """A program in a lab: a workflow, its model, its functions and the person who answers.

    Shape: once it `is_mended`, nothing of it fails any more, and nobody says no.
    """

    def __init__(self, program: Node, **how: Any) -> None:
        self.program = program
        self.leaves = {leaf.name: leaf for leaf in leaves(program)}
        self.lab = Lab(worker=self._work, short=self._work, keeper=self._keep, **how)
        self.is_mended = False

    def workflow(self, *, is_kept: bool = False, is_caught: bool = True, has_races: bool = False) -> Workflow:
        """The program as a workflow.

        Shape: with `is_kept` its session never rests, else it does where only people are waited for. A failure of the
        whole gives None if it `is_caught`. Without `has_races` it gives only what does not depend on times.
        """

        @workflow
        async def any_program(run: WorkflowRun, topic: str) -> Any:
            async def played() -> Any:
                try:
                    return await Code(run, self, has_races).play(self.program)
                except CallFailed:
                    if is_caught:
                        return None
                    raise

            if not is_kept:
                return await played()
            return (await run.gather(played(), run.agent(WAITS, "wait", name=KEEPER), join="any"))[0]

        return any_program

    def lives(self, flow: Workflow, fuses: Iterable[int], **how: Any) -> Played:
        """Play it until nothing can move, though its processes are killed at these boundaries; people answer."""
        at = iter(fuses)
        is_over = False
        while not is_over:
            fuse = Fuse(next(at, None))
            try:
                if SESSION not in self.lab.world.log.sessions:
                    self.lab.run(flow, fuse=fuse, **how)
                else:
                    self.lab.resume(fuse=fuse)
                is_over = not self._answered()
            except Killed:
                pass
        return self.lab.played()

    def _answered(self) -> bool:
        """Answer what the session that rests asks; whether it asked anything."""
        waiting = list(self.lab.watch.state(SESSION).waiting_calls())
        for _, each in waiting:
            self.lab.tell(self._answer_to(each))
        return bool(waiting)

    def fails(self, name: str) -> bool:
        """Whether the attempt of the call that is under way fails."""
        run = self.lab.watch.state(SESSION).run
        assert run is not None
        attempt = max(step.attempt for step in run.steps.values() if step.name == name)
        return attempt <= self.leaves[name].fails and not self.is_mended

    async def _work(self, request: ModelRequest) -> Any:
        [said, *_] = request.messages[0].content
        assert isinstance(said, TextBlock)
        leaf = self.leaves[said.text]
        if not request.may_call:
            return "what I had"
        await asyncio.sleep(leaf.takes / 1e6)
        if leaf.limit == "turns" and not self.is_mended:
            return [say("I look"), call("look")]
        if self.fails(leaf.name):
            raise ModelFailed(f"{leaf.name} is broken")
        return leaf.name

    async def _keep(self, request: ModelRequest) -> Any:
        await asyncio.sleep(1e9)

    async def function(self, name: str) -> str:
        """What a function of the program does."""
        await asyncio.sleep(self.leaves[name].takes / 1e6)
        if self.fails(name):
            raise OSError(f"{name} is broken")
        return name

    async def person(self, live: Live) -> None:
        """An act: somebody answers each checkpoint, so long after it has asked."""
        asked: dict[str, asyncio.Task[None]] = {}
        news, look = asyncio.Event(), live.process.store.after_commit

        def looks(session: str) -> None:
            look(session)
            news.set()

        live.process.store.after_commit = looks
        while True:
            for _, each in list(live.driver.state.waiting_calls()):
                if each.id not in asked:
                    asked[each.id] = asyncio.create_task(self._answer(live, each))
            await news.wait()
            news.clear()

    async def _answer(self, live: Live, asking: OpenCall) -> None:
        await asyncio.sleep(self.leaves[str(asking.input["description"])].takes / 1e6)
        with suppress(Refused, NotFound):  # it is not needed any more
            await live.accept(self._answer_to(asking))

    def _answer_to(self, asking: OpenCall) -> Confirm:
        leaf = self.leaves[str(asking.input["description"])]
        return Confirm(call=asking.id, allow=self.is_mended or not leaf.fails)


class Code:
    """The code of a program's nodes, in a run."""

    def __init__(self, run: WorkflowRun, trial: Trial, has_races: bool) -> None:
        self._run = run
        self._trial = trial
        self._has_races = has_races

    def make(self, leaf: Leaf) -> Call[Any]:
        """Make the call."""
        run, name = self._run, leaf.name
        if leaf.kind == "function":
            return run.step(self._trial.function, name, name=name, retries=leaf.retries, idempotent=True)
        if leaf.kind == "checkpoint":
            return run.checkpoint(name)
        most: dict[str, Any] = {"seconds": leaf.takes / 2e6, "turns": 1, "usd": "0.000001"}
        is_limited = leaf.limit and not self._trial.is_mended
        limits = Limits(**{leaf.limit: most[leaf.limit]}) if is_limited else None
        who = SHORT if leaf.limit else AGENT
        return run.agent(who, name, name=name, retries=leaf.retries, limits=limits)

    async def play(self, node: Node) -> Any:
        if isinstance(node, Leaf):
            await self.make(node)
            return [node.name]
        match node.kind:
            case "caught":
                try:
                    return await self.play(node.parts[0])
                except CallFailed:
                    return [LOST]
            case "sequence":
                return await self._one_by_one(node)
            case "aside":
                try:
                    return await self.play(node.parts[0])
                except CallFailed:
                    await self.play(node.parts[1])
                    raise
            case "early":
                return await self._early(node)
            case "gather":
                return await self._gather(node)
            case "tasks":
                return await asyncio.gather(*map(self.play, node.parts))
            case "group":
                return await self._group(node)

    async def _one_by_one(self, node: Tree) -> Any:
        value: list[Any] = []
        for index, part in enumerate(node.parts):
            if node.phase:
                self._run.phase(f"part {index}")
            value += await self.play(part)
        return value

    async def _early(self, node: Tree) -> Any:
        first, rest = node.parts
        assert isinstance(first, Leaf)
        early = self.make(first)
        try:
            value = await self.play(rest)
        except CallFailed:
            early.cancel()
            raise
        await early
        return [first.name, *value]

    async def _gather(self, node: Tree) -> Any:
        join: Any = n_of(node.join) if isinstance(node.join, int) else node.join
        parts = [self.make(part) if isinstance(part, Leaf) else self.play(part) for part in node.parts]
        got = await self._run.gather(*parts, join=join)
        if not self._has_races and node.least not in (0, len(parts)):
            return [len(got)]
        gone = {each.index for each in got.missing}
        return [
            None if index in gone else [part.name] if isinstance(part, Leaf) else got.slots[index]
            for index, part in enumerate(node.parts)
        ]

    async def _group(self, node: Tree) -> Any:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.play(part)) for part in node.parts]
        except* CallFailed as failed:
            error = next(_each(failed))
            raise error from None
        return [task.result() for task in tasks]


def _each(group: BaseExceptionGroup[Any]) -> Iterator[CallFailed]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _each(error)
        else:
            assert isinstance(error, CallFailed)
            yield error
