"""Sandboxes of threads: opened at the first use, closed when the thread ends, and never left behind."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from podium import Agent, Limits, ModelRequest, call
from podium.core.content import text
from podium.core.ports import Place, Ran, Sandbox, ToolCall, ToolOutcome
from podium.errors import SandboxUnavailable
from tests.lab.cast import after, hangs
from tests.lab.lab import Act, Lab, interrupted, interrupted_thread


class FakeSandbox:
    """A sandbox that takes its time to close."""

    def __init__(self, place: Place, closes: float, fails: bool) -> None:
        self.place = place
        self.opened_s = asyncio.get_running_loop().time()
        self.closed_s: float | None = None
        self._closes = closes
        self._fails = fails

    async def shell(self, command: str, *, timeout_s: float) -> Ran:
        return Ran(output=b"", exit_code=0)

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float, keep_bytes: int) -> Ran:
        return Ran(output=b"", exit_code=0)

    async def restart(self) -> None:
        pass

    async def close(self) -> None:
        await asyncio.sleep(self._closes)
        self.closed_s = asyncio.get_running_loop().time()
        if self._fails:
            raise OSError("it does not die")


class FakeSandboxes:
    backend = "fake"

    def __init__(self, *, closes: float = 0.0, fails: bool = False, opens: bool = True) -> None:
        self.opened: list[FakeSandbox] = []
        self._closes = closes
        self._fails = fails
        self._opens = opens

    async def check(self) -> Mapping[str, bool]:
        return {}

    async def check_mounts(self, place: Place) -> None:
        pass

    def open(self, place: Place) -> Sandbox:
        if not self._opens:
            raise SandboxUnavailable("no sandbox today")
        self.opened.append(FakeSandbox(place, self._closes, self._fails))
        return self.opened[-1]


class Boxed:
    """A tool that needs a sandbox."""

    name = description = "boxed"
    input_schema: Mapping[str, Any] = {"type": "object"}
    idempotent = False
    needs_sandbox = True

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        assert sandbox is not None
        await asyncio.sleep(self._seconds)
        return ToolOutcome(content=text("ran"))


def lab_with(sandboxes: FakeSandboxes, **lines: Any) -> Lab:
    lab = Lab(**lines)
    lab.sandboxes = sandboxes
    return lab


def test_thread_keeps_its_sandbox_and_a_child_gives_its_own_back_when_it_ends() -> None:
    boxes = FakeSandboxes()
    lab = lab_with(
        boxes,
        lead=[[call("boxed")], [call("child", task="x"), call("boxed")], after(5, "done")],
        child=[[call("boxed")], [call("boxed")], after(1, "child")],
    )
    child = Agent("child", model="m", tools=[Boxed()])

    log = lab.run(Agent("lead", model="m", tools=[Boxed()], callable_agents=[child]))

    assert log.text == "done"
    assert [(box.opened_s, box.closed_s) for box in boxes.opened] == [(0, 6), (0, 1)]


def test_thread_that_needs_no_sandbox_has_none() -> None:
    boxes = FakeSandboxes()
    lab = lab_with(boxes, lead=[[call("plain")], "done"])

    lab.run(Agent("lead", model="m", tools=[lab.tool("plain"), Boxed()]))

    assert boxes.opened == []


@pytest.mark.parametrize("acts", [[], [(1.5, interrupted())], [(1.5, lambda live: live.let_go())]])
def test_sandbox_that_closes_slowly_is_closed_to_the_end_whatever_happens_to_the_session(acts: list[Act]) -> None:
    boxes = FakeSandboxes(closes=2)
    lab = lab_with(boxes, lead=[[call("child", task="x")], after(1, "done")], child=[[call("boxed")], after(1, "c")])
    child = Agent("child", model="m", tools=[Boxed()])

    lab.run(Agent("lead", model="m", callable_agents=[child]), acts=acts)

    assert [box.closed_s is not None for box in boxes.opened] == [True]


def test_thread_whose_sandbox_is_being_closed_at_its_limit_is_interrupted_before_it_hands_over() -> None:
    ended: list[tuple[str, float]] = []

    async def notes(request: ModelRequest) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append((request.purpose, asyncio.get_running_loop().time()))
        return "never"

    lab = lab_with(
        FakeSandboxes(closes=2),
        lead=[[call("child", task="x")], after(20, "done")],
        child=[[call("boxed")], notes],
    )
    child = Agent("child", model="m", tools=[Boxed()], limits=Limits(seconds=2))

    log = lab.run(Agent("lead", model="m", callable_agents=[child]), acts=[(2.5, interrupted_thread("child"))])

    assert (log.text, log.closings()) == ("done", [("child", "interrupted")])
    assert ended == [("turn", 2)]  # its limit closes the sandbox first, and the interrupt comes before the last turn


def test_sandboxes_of_a_child_that_meets_its_limit_are_closed() -> None:
    boxes = FakeSandboxes()
    lab = lab_with(
        boxes,
        lead=[[call("child", task="x"), call("boxed")], after(9, "done")],
        child=[[call("deep", task="x"), call("boxed")], "never"],
        deep=[[call("boxed")], hangs],
    )
    deep = Agent("deep", model="m", tools=[Boxed()])
    child = Agent("child", model="m", tools=[Boxed(100)], callable_agents=[deep], limits=Limits(seconds=3))

    log = lab.run(Agent("lead", model="m", tools=[Boxed(1)], callable_agents=[child]))

    assert log.closings() == [("deep", "stopped"), ("child", "limit")]
    assert sorted(box.closed_s or 0 for box in boxes.opened) == [3, 3, 12]


def test_sandbox_that_does_not_close_harms_nobody() -> None:
    boxes = FakeSandboxes(fails=True)
    lab = lab_with(boxes, lead=[[call("child", task="x"), call("boxed")], "done"], child=[[call("boxed")], "child"])
    child = Agent("child", model="m", tools=[Boxed()])

    log = lab.run(Agent("lead", model="m", tools=[Boxed()], callable_agents=[child]))

    assert (log.text, log.said_to("child"), lab.row().owner) == ("done", "child", None)


def test_sandbox_that_cannot_be_opened_fails_the_call_with_the_remedy() -> None:
    lab = lab_with(FakeSandboxes(opens=False), lead=[[call("boxed"), call("plain", key="1")], "done"])

    log = lab.run(Agent("lead", model="m", tools=[Boxed(), lab.tool("plain")]))

    assert (log.said_to("boxed"), log.said_to("plain"), log.text) == ("no sandbox today", "plain 1", "done")
