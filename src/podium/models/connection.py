"""The official client as a carrier of bytes: how it is opened, and one call through it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from podium.models.failures import NotAReply
from podium.models.upstream import Upstream

if TYPE_CHECKING:  # importing Podium imports no vendor's package
    import httpx2
    from anthropic import AsyncAnthropic

_CONNECTIONS = 10_000  # a cap on calls is the limiter's work; the pool's default would queue them unseen
_IDLE_S = 4.0  # uvicorn, which carries many local servers, hangs up after 5: a call must not meet that


def import_client() -> None:
    """Import what `open_client` and `posted` use. It takes a second or two: for a thread beside the loop."""
    import aiohttp  # noqa: F401
    import anthropic  # noqa: F401
    import httpx2  # noqa: F401


def open_client(upstream: Upstream) -> "AsyncAnthropic":
    """The client, with nothing that changes a call left to its defaults or to the environment."""
    import httpx2
    from anthropic import AsyncAnthropic, DefaultAioHttpClient

    timeout = httpx2.Timeout(None, connect=upstream.deadlines.connect_s, pool=upstream.deadlines.connect_s)
    return AsyncAnthropic(
        api_key="",  # an explicit one keeps it from looking for others; the headers of each call have the true one
        webhook_key="",
        base_url=upstream.base_url,
        max_retries=0,
        timeout=timeout,
        open_telemetry=False,
        http_client=DefaultAioHttpClient(
            timeout=timeout,
            limits=httpx2.Limits(max_connections=_CONNECTIONS, keepalive_expiry=_IDLE_S),
            verify=httpx2.create_ssl_context(),
            trust_env=False,
            proxy=upstream.proxy,
            follow_redirects=False,  # a key must not follow to another host
            event_hooks={"request": [_without(_environment_headers() - _own_headers(upstream))]},
        ),
    )


@asynccontextmanager
async def posted(client: "AsyncAnthropic", upstream: Upstream, body: bytes) -> "AsyncIterator[httpx2.Response]":
    """The answer to the body, whatever its status; in the end its connection is free again, or cut.

    Errors: NotAReply if the connection fails, before or while the answer is read.
    """
    import aiohttp
    import anthropic
    import httpx2

    headers = _headers(upstream)
    try:
        try:
            response = await client.post(
                "/v1/messages", cast_to=httpx2.Response, content=body, options={"headers": headers}, stream=True
            )
        except anthropic.APIStatusError as error:
            response = error.response
        try:
            yield response
        finally:
            await response.aclose()
    except anthropic.APITimeoutError:
        limit = f"deadlines.connect_s = {upstream.deadlines.connect_s:g}"
        raise NotAReply(f"could not be reached in time ({limit}). {_remedy(upstream)}") from None
    except anthropic.APIConnectionError as error:
        raise NotAReply(f"gave no answer ({_text(error.__cause__ or error)}). {_remedy(upstream)}") from None
    except (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError) as error:
        raise NotAReply(f"lost the connection in the middle of its answer ({_text(error)})") from None


def _remedy(upstream: Upstream) -> str:
    return f"Check that it runs, and the base_url of provider '{upstream.provider}' in podium.toml"


def _headers(upstream: Upstream) -> dict[str, Any]:
    from anthropic import Omit

    # Both are said, since versions of the client differ in the header that they put a key into.
    auth: dict[str, Any] = {"x-api-key": Omit(), "authorization": Omit()}
    if upstream.api_key is not None and upstream.auth == "bearer":
        auth["authorization"] = f"Bearer {upstream.api_key}"
    elif upstream.api_key is not None:
        auth["x-api-key"] = upstream.api_key
    return {"accept": "text/event-stream", **auth, **upstream.headers}


def _own_headers(upstream: Upstream) -> set[str]:
    return {name.lower() for name in (*upstream.headers, *_headers(upstream))} | {"content-type", "host"}


def _environment_headers() -> set[str]:
    # The client adds these to every call, and has no switch for it.
    lines = os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").split("\n")
    return {line.partition(":")[0].strip().lower() for line in lines if ":" in line}


def _without(names: set[str]) -> "Callable[[httpx2.Request], Awaitable[None]]":
    async def strip(request: "httpx2.Request") -> None:
        for name in names:
            request.headers.pop(name, None)

    return strip


def _text(error: BaseException) -> str:
    refused = getattr(error.__cause__, "os_error", None)  # aiohttp's words around it tell the address all over again
    if isinstance(refused, ConnectionError) and refused.errno is not None:
        return os.strerror(refused.errno)
    return f"{str(error) or type(error).__name__:.300}"
