"""The connection under a call: what goes over it, when it ends, how many there may be."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from podium.core.content import TextBlock
from podium.core.ports import Delta
from podium.errors import ModelFailed
from podium.models.messages import MessagesClient, MessagesModel
from podium.models.upstream import Upstream
from tests.models.calling import PATIENT, asking, connected, sent_by
from tests.models.server import Answer, MessagesServer, begun, delta, fails, says, started, text

HALF = [begun(), started(0, text("")), delta(0, "text_delta", text="half a")]


@pytest.mark.parametrize("parts", [[], HALF], ids=["before the answer", "in the middle of it"])
async def test_cancellation_passes_through_and_hangs_up_at_once(parts: list[bytes]) -> None:
    told: list[Delta] = []
    begins = asyncio.Event()

    def note(delta: Delta) -> None:
        told.append(delta)
        begins.set()

    async with (
        MessagesServer(Answer(parts=parts, then="wait", silent=not parts)) as server,
        connected(server.url) as model,
    ):
        call = asyncio.create_task(model.reply(asking(on_delta=note)))
        await (begins if parts else server.called).wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        told.clear()
        async with asyncio.timeout(20):
            await server.hung_up.wait()

    assert told == []


async def test_a_call_that_was_cancelled_takes_no_other_with_it() -> None:
    def script(request: Any) -> Answer:
        stays = "stay" in request.body["system"][0]["text"]
        return says(text("done")) if not stays else Answer(parts=HALF, then="wait")

    async with MessagesServer(script=script) as server, connected(server.url) as model:
        stuck = asyncio.create_task(model.reply(asking(system="stay")))
        await server.called.wait()
        other = asyncio.create_task(model.reply(asking()))
        stuck.cancel()
        reply = await other
        with pytest.raises(asyncio.CancelledError):
            await stuck

    assert reply.content == (TextBlock("done"),)


async def test_calls_one_after_another_share_a_connection() -> None:
    async with MessagesServer(says(text("hi"))) as server, connected(server.url) as model:
        for _ in range(3):
            await model.reply(asking())

    assert (len(server.requests), server.connections) == (3, 1)


async def test_an_error_leaves_the_connection_to_the_next_call() -> None:
    async with MessagesServer(fails(529), says(text("hi"))) as server, connected(server.url) as model:
        with pytest.raises(ModelFailed):
            await model.reply(asking())
        await model.reply(asking())

    assert (len(server.requests), server.connections) == (2, 1)


async def test_a_failed_call_is_not_made_again_by_the_client() -> None:
    answer = fails(500, "api_error", "x", x_should_retry="true", retry_after="0")
    async with MessagesServer(answer) as server, connected(server.url) as model:
        with pytest.raises(ModelFailed):
            await model.reply(asking())

    assert len(server.requests) == 1


async def test_a_thousand_calls_are_under_way_at_once() -> None:
    all_there = asyncio.Event()

    async with MessagesServer(Answer(parts=HALF, then="wait")) as server, connected(server.url) as model:
        begun_calls = 0

        def note(delta: Delta) -> None:
            nonlocal begun_calls
            begun_calls += 1
            if begun_calls == 1000:
                all_there.set()

        calls = [asyncio.create_task(model.reply(asking(on_delta=note))) for _ in range(1000)]
        async with asyncio.timeout(60):
            await all_there.wait()
        for call in calls:
            call.cancel()
        ends = await asyncio.gather(*calls, return_exceptions=True)

    assert server.connections == 1000
    assert {type(end) for end in ends} == {asyncio.CancelledError}


async def test_closing_ends_calls_under_way_and_may_be_done_twice() -> None:
    async with MessagesServer(Answer(parts=HALF, then="wait")) as server:
        client = MessagesClient(Upstream(provider="house", base_url=server.url, deadlines=PATIENT))
        begins = asyncio.Event()
        request = asking(on_delta=lambda delta: begins.set())
        call = asyncio.create_task(MessagesModel(client, "m").reply(request))
        await begins.wait()
        await client.close()
        await client.close()
        with pytest.raises(ModelFailed, match="this program has closed its connections"):
            await call


async def test_closing_what_was_never_used_is_no_trouble() -> None:
    await MessagesClient(Upstream(provider="house", base_url="http://127.0.0.1:1", deadlines=PATIENT)).close()


# --- what goes over it ---------------------------------------------------------------------------

AUTH: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"api_key": "k"}, {"x-api-key": "k"}),
    ({"api_key": "k", "auth": "bearer"}, {"authorization": "Bearer k"}),
    ({"api_key": None}, {}),
    ({"api_key": None, "headers": {"Authorization": "Basic eA=="}}, {"authorization": "Basic eA=="}),
]


@pytest.mark.parametrize(("upstream", "expected"), AUTH)
async def test_the_key_goes_into_the_header_that_was_asked_for(
    upstream: dict[str, Any], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "AUTH_TOKEN"):
        monkeypatch.setenv(f"ANTHROPIC_{name}", "somebody-else's")

    headers = (await sent_by(asking(), upstream=upstream)).headers

    assert {name: headers[name] for name in ("x-api-key", "authorization") if name in headers} == expected


async def test_nothing_of_the_environment_goes_into_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://127.0.0.1:1"
    for name in ("ANTHROPIC_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.setenv("ANTHROPIC_PROFILE", "nobody")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Spy: 1\nanthropic-beta: spy\nX-Ours: theirs\nx-api-key: spy")

    headers = (await sent_by(asking(), upstream={"headers": {"x-ours": "ours"}})).headers

    assert "x-spy" not in headers
    assert "anthropic-beta" not in headers
    assert (headers["x-ours"], headers["x-api-key"]) == ("ours", "key-1")


async def test_headers_of_the_provider_go_with_every_call() -> None:
    given = {"anthropic-beta": "b-1", "anthropic-version": "2023-06-01"}

    headers = (await sent_by(asking(), upstream={"headers": given})).headers

    assert {name: headers[name] for name in given} == given


async def test_a_base_url_may_have_a_path() -> None:
    async with MessagesServer(says(text("hi"))) as server, connected(f"{server.url}/anthropic/") as model:
        await model.reply(asking())

    assert [request.path for request in server.requests] == ["/anthropic/v1/messages"]


async def test_a_proxy_that_was_asked_for_is_used() -> None:
    async with (
        MessagesServer(says(text("hi"))) as proxy,
        connected("http://models.invalid:81", upstream={"proxy": proxy.url}) as model,
    ):
        await model.reply(asking())

    assert [request.path for request in proxy.requests] == ["http://models.invalid:81/v1/messages"]


def test_an_upstream_does_not_show_its_secrets() -> None:
    upstream = Upstream(
        provider="house", base_url="http://127.0.0.1:1", deadlines=PATIENT, api_key="secret-1",
        headers={"authorization": "secret-2"}, proxy="http://user:secret-3@127.0.0.1:2",
    )  # fmt: skip

    assert "secret" not in repr(upstream)


@pytest.mark.parametrize(
    ("base_url", "place"),
    [
        ("https://api.anthropic.com", "api.anthropic.com:443"),
        ("http://localhost/x", "localhost:80"),
        ("http://[::1]:8000", "::1:8000"),
    ],
)
def test_an_upstreams_place_is_its_host_and_port(base_url: str, place: str) -> None:
    assert Upstream(provider="house", base_url=base_url, deadlines=PATIENT).place == place


def test_importing_the_models_imports_no_vendors_package() -> None:
    asked = "import podium, podium.models.messages, sys; print({'anthropic', 'aiohttp', 'httpx2'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "set()\n"


IMPORTS = """
import asyncio, sys, threading
from podium.core.ports import ModelRequest
from podium.errors import ModelFailed
from podium.models.messages import MessagesClient, MessagesModel
from podium.models.upstream import Deadlines, Upstream

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("anthropic", "aiohttp"):
            print(name, "here" if threading.current_thread() is threading.main_thread() else "beside")

sys.meta_path.insert(0, Finder())

async def main():
    client = MessagesClient(Upstream(provider="p", base_url="http://127.0.0.1:1", deadlines=Deadlines()))
    try:
        await MessagesModel(client, "m").reply(ModelRequest(agent="a", model="m", system="", tools=(), messages=()))
    except ModelFailed:
        pass
    await client.close()

asyncio.run(main())
"""


def test_client_is_imported_beside_the_loop() -> None:
    seen = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, check=True, text=True)

    assert sorted(seen.stdout.splitlines()) == ["aiohttp beside", "anthropic beside"]
