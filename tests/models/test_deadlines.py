"""How long a call may take, and which setting says so."""

import asyncio
import socket
from typing import Any

import pytest

from podium.core.events import Usage
from podium.errors import ModelFailed
from podium.models.upstream import Deadlines
from tests.models.calling import asking, connected, failure_of
from tests.models.server import PING, Answer, MessagesServer, begun, delta, started, text

HALF = [begun(), started(0, text("")), delta(0, "text_delta", text="half a")]


def soon(**changed: float) -> Deadlines:
    return Deadlines(**{"connect_s": 20, "first_event_s": 20, "progress_s": 20, "call_s": 20, **changed})


@pytest.mark.parametrize(
    "answer",
    [
        Answer(silent=True, then="wait"),
        Answer(then="wait"),
        Answer(parts=[PING], then="ping"),
        Answer(parts=[b"<html>"], status=500, then="wait"),
        Answer(parts=[b"{"], headers={"content-type": "application/json"}, then="wait"),
    ],
    ids=["no status", "no event", "pings alone", "half an error", "half a message"],
)
async def test_a_first_event_that_does_not_come_is_transient_and_names_the_setting(answer: Answer) -> None:
    failure = await failure_of(answer, deadlines=soon(first_event_s=0.1))

    assert failure.kind == "transient"
    assert "sent nothing of its answer within 0.1 s" in str(failure)
    assert "raise deadlines.first_event_s of provider 'house' in podium.toml" in str(failure)
    assert failure.usage is None


@pytest.mark.parametrize("then", ["wait", "ping"])
async def test_an_answer_that_stops_growing_is_transient_however_much_it_pings(then: Any) -> None:
    failure = await failure_of(Answer(parts=HALF, then=then), deadlines=soon(progress_s=0.1))

    assert failure.kind == "transient"
    assert "sent nothing new in the middle of its answer within 0.1 s" in str(failure)
    assert "raise deadlines.progress_s of provider 'house' in podium.toml" in str(failure)
    assert failure.usage == Usage(25, 1, 3, 4)


@pytest.mark.parametrize("parts", [[], HALF], ids=["before the first event", "in the middle"])
async def test_a_call_as_a_whole_has_a_deadline_of_its_own(parts: list[bytes]) -> None:
    failure = await failure_of(Answer(parts=parts, then="ping"), deadlines=soon(call_s=0.1))

    assert failure.kind == "transient"
    assert "was not done with its answer within 0.1 s" in str(failure)
    assert "raise deadlines.call_s of provider 'house' in podium.toml" in str(failure)


async def test_content_that_keeps_coming_keeps_a_call_alive_until_its_end_is_due() -> None:
    class Drip(list[bytes]):  # an answer that goes on for as long as anybody listens
        def __iter__(self) -> Any:
            yield from HALF
            while True:
                yield delta(0, "text_delta", text="more")

    failure = await failure_of(Answer(parts=Drip()), deadlines=soon(progress_s=0.15, call_s=0.3))

    assert "deadlines.call_s" in str(failure)


async def test_a_host_that_does_not_take_connections_is_transient_and_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(3)]  # nobody accepts: once the queue is full, the kernel drops calls
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        host, port = full.getsockname()
        async with connected(f"http://{host}:{port}", deadlines=soon(connect_s=0.1)) as model:
            with pytest.raises(ModelFailed) as raised:
                await model.reply(asking())
        for filler in fillers:
            filler.close()

    assert raised.value.kind == "transient"
    assert "could not be reached in time (deadlines.connect_s = 0.1)" in str(raised.value)
    assert "base_url of provider 'house' in podium.toml" in str(raised.value)


async def test_a_deadline_hangs_up() -> None:
    async with (
        MessagesServer(Answer(parts=HALF, then="wait")) as server,
        connected(server.url, deadlines=soon(progress_s=0.05)) as model,
    ):
        with pytest.raises(ModelFailed):
            await model.reply(asking())
        async with asyncio.timeout(20):
            await server.hung_up.wait()


def test_a_warm_service_is_given_less_time_than_a_local_model() -> None:
    assert Deadlines.of("https://api.anthropic.com") == Deadlines(
        connect_s=5, first_event_s=60, progress_s=90, call_s=900
    )
    assert Deadlines.of("http://127.0.0.1:8080") == Deadlines(
        connect_s=5, first_event_s=600, progress_s=600, call_s=3600
    )
    assert Deadlines.of("https://api.anthropic.com.example.org").first_event_s == 600
