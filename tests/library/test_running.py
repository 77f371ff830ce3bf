"""The library's calls on a real data folder."""

import asyncio
import threading
import time
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, field_validator

from podium import Agent, Concurrency, Limits, Mount, Podium, Rehearsal, call, run
from podium.core.inputs import Interrupt


async def test_run_that_is_closed_at_once_can_be_resumed_at_once(tmp_path: Path) -> None:
    async with Podium(tmp_path, models={"m": Rehearsal(lambda request: "done")}) as podium:
        first = await podium.start(Agent("solo", model="m"), "go")
        await first.close()

        assert [row.id for row in await podium.unfinished()] == [first.id]
        result = await (await podium.resume(first.id)).result()

    assert result.output == "done"


async def test_resume_takes_an_interrupt_that_was_left_and_goes_on(tmp_path: Path) -> None:
    async with Podium(tmp_path, models={"m": Rehearsal(lambda request: "done")}) as podium:
        first = await podium.start(Agent("solo", model="m"), "go")
        await first.close()
        await podium.parts.store.admit(first.id, Interrupt(pause=True))

        result = await (await podium.resume(first.id)).result()

    assert (result.output, result.paused, result.stop_reason) == ("done", False, "end_turn")


class Even(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def _even(cls, n: int) -> int:
        if n % 2:
            raise ValueError("must be even")
        return n


async def test_output_that_only_a_validator_refuses_is_kept_with_the_reason(tmp_path: Path) -> None:
    agent = Agent("solo", model="m", output_schema=Even)

    result = await run(agent, "go", data=tmp_path, models={"m": Rehearsal(lambda request: call("submit_result", n=3))})

    assert result.output == {"n": 3}
    assert "must be even" in result.error


async def test_plain_functions_run_at_once_and_a_hung_one_keeps_nobody(tmp_path: Path) -> None:
    everyone = threading.Barrier(20, timeout=20)
    hung = threading.Event()

    def meet() -> str:
        """Returns when twenty have called it."""
        everyone.wait()
        return "met"

    def hang() -> str:
        """Never returns by itself."""
        hung.wait()
        return "late"

    def script(request):  # type: ignore[no-untyped-def]
        if request.agent == "lead":
            return (
                [call("meeter", task=str(i)) for i in range(20)] + [call("hanger", task="hang")]
                if len(request.messages) == 1
                else "all is done"
            )
        name = "meet" if request.agent == "meeter" else "hang"
        return call(name) if len(request.messages) == 1 else "met"

    meeter = Agent("meeter", model="m", tools=[meet])
    hanger = Agent("hanger", model="m", tools=[hang], limits=Limits(seconds=1))
    lead = Agent("lead", model="m", callable_agents=[meeter, hanger])
    result = await run(lead, "go", data=tmp_path, models={"m": Rehearsal(script)})
    outcomes = [record.event.outcome for record in result.records if record.type == "delegation.closed"]  # type: ignore[union-attr]
    hung.set()

    assert result.output == "all is done"
    assert sorted(outcomes) == ["limit", *["reported"] * 20]


async def test_tool_that_swallows_its_cancellation_does_nothing_more(tmp_path: Path) -> None:
    calls = []

    async def stubborn() -> str:
        """Goes on whatever happens."""
        calls.append(time.monotonic())
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        return "I do not stop"

    async with Podium(tmp_path, models={"m": Rehearsal(lambda request: call("stubborn"))}) as podium:
        under_way = await podium.start(Agent("solo", model="m", tools=[stubborn]), "go")
        async for record in under_way.records():
            if record.type == "tool.started":
                await under_way.interrupt(pause=True)
        result = await under_way.result()

    assert len(calls) == 1
    assert result.paused
    assert [record.type for record in result.records].count("span.model_request_start") == 1


async def test_caps_of_a_run_end_with_it(tmp_path: Path) -> None:
    async with Podium(tmp_path, models={"m": Rehearsal(lambda request: "done")}) as podium:
        await podium.run(Agent("solo", model="m"), "go", concurrency=Concurrency(session=1, models={"m": 1}))
        await asyncio.sleep(0)

        assert podium.parts.limiter.slot(session="any", thread="t", model="m", provider="rehearsal") is None


async def test_mount_shows_a_folder_to_tools(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.txt").write_text("hello\n")
    agent = Agent("solo", model="m", tools=["read"])
    model = Rehearsal(
        lambda request: (
            call("read", file_path="/source/a.txt")
            if len(request.messages) == 1
            else request.messages[-1].content[0].content[0].text  # type: ignore[union-attr]
        )
    )

    result = await run(
        agent, "go", data=tmp_path / "data", models={"m": model}, mounts=[Mount(tmp_path / "source", at="/source")]
    )

    assert "hello" in result.output


class Moody:
    """A model that cannot even be asked, after it was looked at once."""

    def __init__(self) -> None:
        self._asked = 0

    @property
    def provider(self) -> str:
        self._asked += 1
        if self._asked > 1:
            raise RuntimeError("not today")
        return "moody"

    async def reply(self, request: object) -> str:
        return "hi"


async def test_thread_that_fails_before_it_took_its_task_ends_the_session(tmp_path: Path) -> None:
    async with Podium(tmp_path, models={"m": Moody()}) as podium:  # type: ignore[dict-item]
        result = await podium.run(Agent("solo", model="m"), "go")

    assert result.stop_reason == "retries_exhausted"
    assert "not today" in result.error
    assert len(result.records) < 20
