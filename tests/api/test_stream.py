"""Streams over real sockets: in order, resumed, previewed, and none at the cost of another."""

import asyncio
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podium import ModelRequest, call
from podium.api.heard import PATIENCE, Heard
from podium.api.state import Settings
from podium.core.content import TextBlock, ThinkingBlock
from podium.core.keys import read_token
from podium.core.ports import Delta, Reply
from tests.api.calls import TOOLSET, Calls, kinds, of, ok, only, words
from tests.api.server import MODEL, Serve


class Stopped:
    """A clock that somebody sets."""

    at = datetime(2026, 11, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        raise NotImplementedError("nobody waits here")


class Speaks:
    """A model that says its words one by one, and waits between them until it is let go on."""

    provider = "speaks"

    def __init__(self, *said: str) -> None:
        self._said = said
        self.has_said = asyncio.Semaphore(0)
        self.may_say = asyncio.Semaphore(0)

    async def reply(self, request: ModelRequest) -> Reply:
        request.on_delta(Delta(0, "thinking"))
        for word in self._said:
            await self.may_say.acquire()
            request.on_delta(Delta(1, "text", word))
            self.has_said.release()
        await self.may_say.acquire()
        return Reply((ThinkingBlock("hm"), TextBlock("".join(self._said))))


# --- from when on ------------------------------------------------------------------------------------


async def test_a_stream_shows_what_happens_from_now_on(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        first = await calls.turn(id, "one")

        second = await calls.turn(id, "two")

        assert not {event["id"] for event in first} & {event["id"] for event in second}
        assert words(second[0]) == "two"


async def test_every_stream_of_a_session_shows_the_same(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        path = f"{id}/events/stream"
        async with calls.stream(path) as one, calls.stream(path) as two, calls.stream(path) as three:
            ok(await calls.send(id, "go"))

            first, second, third = await asyncio.gather(one.until_idle(), two.until_idle(), three.until_idle())

        assert first == second == third
        assert one.ids == two.ids == three.ids


@pytest.mark.difference("streams-resume")
async def test_a_stream_is_resumed_behind_its_last_event(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        path = f"{id}/events/stream"
        async with calls.stream(path) as stream:
            ok(await calls.send(id, "one"))
            events = await stream.until_idle()

        async with calls.stream(path, {"last-event-id": stream.ids[4]}) as again:
            rest = await again.until_idle()
        async with calls.stream(path, {"last-event-id": "0"}) as whole:
            everything = await whole.until_idle()

        assert rest == events[5:]
        assert everything == events
        assert [int(id) for id in stream.ids] == sorted(map(int, stream.ids))
        for wrong in ("x", "99999", "-1"):
            refused = await server.get(f"/v1/sessions/{path}", headers={"last-event-id": wrong})
            assert (refused.status, refused.error.split(":")[0]) == (400, "Last-Event-ID")


@pytest.mark.difference("streams-late")
async def test_who_sends_first_and_opens_then_misses_nothing(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        await calls.turn(id, "one")
        ok(await calls.send(id, "two"))
        sent = ok(await calls.send(id, "three"))["data"][0]

        async with calls.stream(f"{id}/events/stream") as stream:
            events = await stream.until_idle()

        assert events[0] == sent, "the last input that nobody listened to"
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "four"))
            assert words((await stream.until_idle())[0]) == "four", "what was heard is not told again"


async def test_a_request_that_is_sent_again_tells_a_stream_nothing_old(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        path, once = f"/v1/sessions/{id}/events", {"idempotency-key": "k1"}
        body = {"events": [{"type": "user.message", "content": [{"type": "text", "text": "one"}]}]}
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await server.post(path, body, headers=once))
            await stream.until_idle()
        ok(await server.post(path, body, headers=once))

        events = await calls.turn(id, "two")

        assert words(events[0]) == "two"


@pytest.mark.difference("requests-once")
async def test_a_request_that_is_sent_again_before_anybody_listens_hides_nothing(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        path, once = f"/v1/sessions/{id}/events", {"idempotency-key": "k1"}
        body = {"events": [{"type": "user.message", "content": [{"type": "text", "text": "one"}]}]}
        sent = ok(await server.post(path, body, headers=once))["data"][0]
        while (await calls.get(id))["status"] != "idle":  # so that the turn stands before what the second one sees
            pass
        assert ok(await server.post(path, body, headers=once))["data"][0]["id"] == sent["id"]

        async with calls.stream(f"{id}/events/stream") as stream:
            async with asyncio.timeout(5):
                events = await stream.until_idle()

        assert events[0]["id"] == sent["id"]
        assert of(events, "agent.message")


def test_only_the_last_moment_is_told_and_only_once() -> None:
    clock = Stopped()
    heard = Heard(clock)
    heard.accepted("sesn_1", "sevt_1", after=4)
    heard.accepted("sesn_1", "sevt_2", after=9)
    unheard = heard.opened("sesn_1")
    assert unheard is not None
    assert (unheard.after, unheard.event) == (9, "sevt_2")
    heard.accepted("sesn_1", "sevt_3", after=12)  # which the open stream shows
    heard.closed("sesn_1")
    assert heard.opened("sesn_1") is None
    heard.closed("sesn_1")

    heard.accepted("sesn_1", "sevt_4", after=20)
    heard.accepted("sesn_2", "sevt_5", after=0)
    clock.at += PATIENCE + timedelta(seconds=1)

    assert heard.opened("sesn_1") is None
    heard.accepted("sesn_3", "sevt_6", after=0)
    assert heard.opened("sesn_2") is None


async def test_who_opens_a_stream_and_lists_then_has_every_event_once_and_in_order(served: Serve) -> None:
    def is_the_end(event: Any) -> bool:
        return event["type"] == "user.message" and event["processed_at"] is not None and words(event) == "the end"

    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        await calls.turn(id, "before")

        async def talk() -> None:
            for number in range(8):
                ok(await calls.send(id, f"message {number}", "and more"))
            ok(await calls.send(id, "the end"))

        talking = asyncio.create_task(talk())
        async with calls.stream(f"{id}/events/stream") as stream:
            listed = await calls.listed(id, "limit=3")
            streamed = [*await stream.until(is_the_end), *await stream.until_idle()]
        await talking

        had = [event for event in listed if event["processed_at"] is not None]
        known = {event["id"] for event in had}
        new = [event for event in streamed if event["processed_at"] is not None and event["id"] not in known]
        assert [*had, *new] == await calls.listed(id)


# --- to when -----------------------------------------------------------------------------------------


@pytest.mark.difference("streams-end")
async def test_a_stream_ends_with_its_session(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await server.post(f"/v1/sessions/{id}/archive"))

            assert kinds(await stream.rest())[-1] == "session.status_terminated"

        async with calls.stream(f"{id}/events/stream") as late:
            assert await late.rest() == []
        async with calls.stream(f"{id}/events/stream", {"last-event-id": "0"}) as again:
            assert kinds(await again.rest())[-1] == "session.status_terminated"


async def test_a_threads_stream_ends_when_its_session_is_deleted(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        [primary] = await calls.threads(id)
        async with calls.stream(f"{id}/threads/{primary['id']}/stream") as stream:
            ok(await server.delete(f"/v1/sessions/{id}"))

            assert kinds(await stream.rest()) == ["session.deleted"]


async def test_streams_say_their_last_and_end_with_the_server(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        stream = calls.stream(f"{id}/events/stream")
        frames = await stream.__aenter__()
        ok(await calls.send(id, "go"))
        await frames.until_idle()

        server.server.closing.set()

        assert await frames.rest() == [], "the end, and no error"
        await stream.__aexit__(None, None, None)


@pytest.mark.parametrize("is_writing", [False, True])
async def test_a_stream_ends_when_its_key_is_revoked(served: Serve, is_writing: bool) -> None:
    goes_on = asyncio.Event()

    def script(_: ModelRequest) -> Any:
        return "done" if goes_on.is_set() else call("write", file_path="a.txt", content="x")

    async with served(script, settings=Settings(key_s=0.05)) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[TOOLSET])))["id"]
        key = await server.make_key("sessions:read")
        shown = read_token(key)
        assert shown is not None
        async with calls.stream(f"{id}/events/stream", {"x-api-key": key}) as stream:
            if is_writing:
                ok(await calls.send(id, "go"))
                await stream.next()
            await server.server.keys.revoke(shown.id, server.server.clock.now())

            await stream.rest()
        goes_on.set()


async def test_a_stream_ends_when_its_key_expires_and_no_other_does(served: Serve) -> None:
    async with served(settings=Settings(key_s=0.05)) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        key = await server.make_key("sessions:read", expires_at=server.server.clock.now() + timedelta(seconds=0.5))
        path = f"{id}/events/stream"
        async with calls.stream(path) as other, calls.stream(path, {"x-api-key": key}) as stream:
            assert await stream.rest() == []

            ok(await calls.send(id, "go"))
            assert words((await other.until_idle())[0]) == "go"


async def test_a_client_that_is_gone_is_followed_by_nobody(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        async with calls.stream(f"{id}/events/stream"):
            [stream] = [task for task in asyncio.all_tasks() if task.get_name() == f"stream of {id}"]
            assert server.podium.parts.hub.is_followed

        await asyncio.wait([stream], timeout=10)

        await server.get("/health")  # one more round of the loop
        assert not server.podium.parts.hub.is_followed


async def test_a_stream_is_never_silent_for_long(served: Serve) -> None:
    async with served(settings=Settings(heartbeat_s=0.01)) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            await stream.silent_for(3)
            ok(await calls.send(id, "go"))

            assert kinds(await stream.until_idle())[-1] == "session.status_idle"


async def test_a_client_that_takes_nothing_is_cut_off_and_holds_up_nobody(
    served: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    cut, log = asyncio.Event(), logging.getLogger("podium.api.sse")
    caplog.set_level(logging.INFO, logger=log.name)
    tells = logging.Handler()
    tells.emit = lambda record: cut.set() if "is cut off" in record.getMessage() else None  # type: ignore[method-assign]
    log.addHandler(tells)
    async with served(lambda _: "many words " * 200_000, settings=Settings(stalled_s=0.2)) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        host, port = server.url.removeprefix("http://").split(":")
        await loop.sock_connect(deaf, (host, int(port)))
        asked = f"GET /v1/sessions/{id}/events/stream HTTP/1.1\r\nhost: {host}\r\nx-api-key: {server.key}\r\n\r\n"
        await loop.sock_sendall(deaf, asked.encode())
        try:
            async with calls.stream(f"{id}/events/stream") as stream:
                for turn in range(6):
                    ok(await calls.send(id, f"turn {turn}"))
                    assert len(words(only(await stream.until_idle(), "agent.message"))) == 2_200_000
            received = 0
            async with asyncio.timeout(20):
                await cut.wait()  # it takes nothing for as long as that needs
                while got := await loop.sock_recv(deaf, 1 << 16):
                    received += len(got)
            assert received < 6 * 2_200_000, "it was cut off, and what it did not take is dropped"
            assert [it.message for it in caplog.records if it.levelname == "ERROR"] == []
        finally:
            log.removeHandler(tells)
            deaf.close()


# --- pieces of replies -------------------------------------------------------------------------------


async def test_a_reply_is_previewed_in_its_place(served: Serve) -> None:
    model = Speaks("hel", "lo", "!")
    async with served(given={"speaks": model}) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(model="speaks")))["id"]
        query = "?event_deltas[]=agent.message&event_deltas[]=agent.thinking"
        async with calls.stream(f"{id}/events/stream{query}") as stream, calls.stream(f"{id}/events/stream") as plain:
            ok(await calls.send(id, "go"))
            seen: list[Any] = []
            for _ in range(3):
                model.may_say.release()
                seen += await stream.until_kind("event_delta")
            model.may_say.release()
            seen += await stream.until_idle()
            without = await plain.until_idle()

        message = only(seen, "agent.message")
        grown = [event["delta"]["content"]["text"] for event in of(seen, "event_delta")]
        assert grown == ["hel", "lo", "!"]
        assert {event["event_id"] for event in of(seen, "event_delta")} == {message["id"]}
        starts = [(event["event"]["type"], event["event"]["id"]) for event in of(seen, "event_start")]
        assert starts[1:] == [("agent.message", message["id"])]
        assert starts[0][0] == "agent.thinking"
        order = kinds(seen)
        assert order.index("span.model_request_start") < order.index("event_start") < order.index("agent.message")
        assert [event for event in seen if not event["type"].startswith("event_")] == without
        assert not {"event_start", "event_delta"} & set(kinds(await calls.listed(id)))
        assert stream.ids[order.index("event_start")] == "", "what is not kept cannot be resumed behind"


async def test_who_comes_in_the_middle_is_shown_no_part_of_it(served: Serve) -> None:
    model = Speaks("hel", "lo")
    async with served(given={"speaks": model}) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(model="speaks")))["id"]
        ok(await calls.send(id, "go"))
        model.may_say.release()
        await model.has_said.acquire()

        async with calls.stream(f"{id}/events/stream?event_deltas=agent.message") as stream:
            model.may_say.release()
            model.may_say.release()
            seen = await stream.until_idle()

        assert "event_delta" not in kinds(seen)
        assert words(only(seen, "agent.message")) == "hello"


async def test_a_childs_pieces_are_on_its_own_stream_alone(served: Serve) -> None:
    def leads(request: ModelRequest) -> Any:
        return call("reader", task="look") if len(request.messages) == 1 else "done"

    model = Speaks("found it")
    async with served(leads, given={"speaks": model}) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team(model="speaks")))["id"]
        query = "?event_deltas[]=agent.message"
        async with calls.stream(f"{id}/events/stream{query}") as stream:
            ok(await calls.send(id, "go"))
            child = (await stream.until_kind("session.thread_created"))[-1]["session_thread_id"]
            async with calls.stream(f"{id}/threads/{child}/stream{query}", {"last-event-id": "0"}) as own:
                await own.until_kind("span.model_request_start")
                model.may_say.release()
                model.may_say.release()
                pieces = await own.until_kind("session.thread_status_idle")
            rest = await stream.until_idle()

        assert [event["delta"]["content"]["text"] for event in of(pieces, "event_delta")] == ["found it"]
        assert "event_delta" not in kinds(rest)


async def test_kinds_that_have_no_pieces_are_refused(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        path = f"/v1/sessions/{id}/events/stream"

        assert (await server.get(f"{path}?event_deltas[]=agent.tool_use")).error.startswith("event_deltas")
        many = "&".join(["event_deltas[]=agent.message"] * 101)
        assert (await server.get(f"{path}?{many}")).error.startswith("event_deltas")


async def test_what_another_program_does_in_the_same_folder_is_streamed(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent = await calls.agent(tools=[TOOLSET])
        id = (await calls.session(agent))["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            await server.podium.send(id, "from elsewhere")

            assert words((await stream.until_idle())[0]) == "from elsewhere"
        assert agent["model"]["id"] == MODEL
