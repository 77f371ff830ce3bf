"""Models behind the Messages API: Anthropic's, or any server that speaks it.

The official client carries the bytes; what is a reply is decided here. Its own retries are off: a call is tried again
by who can record it.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import msgspec

from podium.core.json import JSON
from podium.core.ports import Delta, ModelRequest, Rates, Reply
from podium.errors import ModelFailed
from podium.models.connection import import_client, open_client, posted
from podium.models.failures import NotAReply, broken_off, first_words, kind_of_status, said_in
from podium.models.rates import rates, retry_after_s
from podium.models.stream import Incoming
from podium.models.upstream import Deadlines, Upstream, is_anthropic
from podium.models.wire import request_body

if TYPE_CHECKING:  # importing Podium imports no vendor's package
    import httpx2
    from anthropic import AsyncAnthropic

_GOODBYE_S = 0.25  # how long the end of a stream may take after its last event, so that the connection can be kept
_CLOSED = "closed"  # where the name of a deadline stands otherwise


class MessagesClient:
    """One provider's connections, for all of its models. Made for one event loop; `close` it there."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self._client: AsyncAnthropic | None = None
        self._under_way: set[_Watch] = set()

    async def answer(self, body: bytes, model: str, on_delta: Callable[[Delta], None]) -> Reply:
        """The reply to a request's body; `model` is for the words of errors.

        Errors: ModelFailed; nothing of what was told to `on_delta` counts then.
        """
        incoming = Incoming(on_delta)
        if self._client is None:
            await asyncio.to_thread(import_client)  # the loop has other calls, keys and interrupts to see to
        self._client = self._client or open_client(self.upstream)
        told: Rates | None = None
        watch = _Watch(self.upstream.deadlines)  # the first call has imported the client by now
        self._under_way.add(watch)
        try:
            try:
                async with watch.timeout, posted(self._client, self.upstream, body) as response:
                    told = rates(dict(response.headers))
                    await self._receive(response, model, incoming, watch)
            except TimeoutError:
                raise NotAReply(self._late(watch.setting)) from None
        except NotAReply as failure:
            if not incoming.is_over:  # what happens to the connection after a reply is no matter
                raise self._failed(failure, incoming, told) from None
        finally:
            self._under_way.discard(watch)
        try:
            return incoming.reply(told)
        except NotAReply as failure:
            raise self._failed(failure, incoming, told) from None

    async def close(self) -> None:
        """Hang up; calls under way fail. May be called twice."""
        for watch in self._under_way:
            watch.stop()  # its reader would not be told that the connection is gone
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _receive(self, response: "httpx2.Response", model: str, incoming: Incoming, watch: "_Watch") -> None:
        """Feed the answer to `incoming`."""
        if "podium-version" in response.headers:
            reason = f"is Podium itself. Set base_url, now {self.upstream.base_url}, to where the models are"
            raise NotAReply(reason, "refused")
        if response.status_code >= 300:
            raise self._refusal(response, await response.aread(), model)
        kind = response.headers.get("content-type", "text/event-stream").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            await _feed(response, incoming, watch)
        else:
            incoming.take_whole(_message(kind, await response.aread()))

    def _refusal(self, response: "httpx2.Response", body: bytes, model: str) -> NotAReply:
        """What an error status stands for."""
        status, headers, said = response.status_code, response.headers, said_in(body)
        kind = kind_of_status(status, headers, said)
        match status:
            case 401 | 403 if self.upstream.api_key is None:
                reason = f"wants a key, and none was given ({status}): {said}"
            case 401 | 403:
                reason = f"refused the key for '{model}' ({status}): {said}"
            case 404:
                reason = f"does not know '{model}', or its base_url {self.upstream.base_url} is wrong (404): {said}"
            case _ if status < 400:
                there = headers.get("location", "(it did not say where)")
                reason = f"answers elsewhere ({status}). Set its base_url to where that is: {there}"
            case _ if kind in ("refused", "too_long"):
                reason = f"refused the request ({status}): {said}"
            case _:
                reason = f"failed ({status}): {said}"
        request = f" (request {headers['request-id']})" if "request-id" in headers else ""
        return NotAReply(reason + request, kind, retry_after_s(headers))

    def _failed(self, failure: NotAReply, incoming: Incoming, told: Rates | None) -> ModelFailed:
        return ModelFailed(
            f"provider '{self.upstream.provider}' at {self.upstream.place} {failure}",
            kind=failure.kind,
            retry_after_s=failure.retry_after_s,
            usage=incoming.usage,
            rates=told,
        )

    def _late(self, setting: str) -> str:
        if setting == _CLOSED:
            return "was hung up on: this program has closed its connections"
        silence = {
            "first_event_s": "sent nothing of its answer",
            "progress_s": "sent nothing new in the middle of its answer",
            "call_s": "was not done with its answer",
        }[setting]
        return (
            f"{silence} within {getattr(self.upstream.deadlines, setting):g} s. If it needs longer, raise "
            f"deadlines.{setting} of provider '{self.upstream.provider}' in podium.toml"
        )


class MessagesModel:
    """One model of a provider.

    Shape: `name` as the provider knows it; `max_tokens` caps the output where a request does not; `caching` False sends
    no cache_control, which some servers refuse; `extra` are further keys of each request's body, such as thinking.
    Source: the API's version 2026-10-21, which the client asks for, refuses temperature, top_p and top_k; a model that
    takes them needs the header "anthropic-version: 2023-06-01" among those of its provider.
    """

    def __init__(
        self,
        client: MessagesClient,
        name: str,
        *,
        max_tokens: int = 32_000,
        caching: bool = True,
        extra: Mapping[str, JSON] | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._max_tokens = max_tokens
        self._caching = caching
        self._extra = dict(extra or {})

    @property
    def provider(self) -> str:
        return self._client.upstream.provider

    async def reply(self, request: ModelRequest) -> Reply:
        body = request_body(
            request,
            model=self._name,
            max_tokens=self._max_tokens,
            caching=self._caching,
            extra=self._extra,
            has_settings=is_anthropic(self._client.upstream.base_url),
        )
        return await self._client.answer(body, self._name, request.on_delta)


class _Watch:
    """The deadlines of one call, as one timeout that moves; `setting` names the one that comes next.

    Units: `progress_s` is kept to a hundredth of it.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self._loop = asyncio.get_running_loop()
        self._progress_s = deadlines.progress_s
        self._end = self._loop.time() + deadlines.call_s
        self._moved_at = -math.inf
        self.setting = "first_event_s" if deadlines.first_event_s < deadlines.call_s else "call_s"
        self.timeout = asyncio.timeout(min(deadlines.first_event_s, deadlines.call_s))

    def progressed(self) -> None:
        """Something new came."""
        now = self._loop.time()
        if now < self._moved_at + self._progress_s / 100:
            return  # to set the alarm anew for each of a thousand events would cost more than to read them
        self._moved_at = now
        next_at = now + self._progress_s
        self.setting = "progress_s" if next_at < self._end else "call_s"
        self.timeout.reschedule(min(next_at, self._end))

    def stop(self) -> None:
        """Nothing is waited for any more."""
        self.setting = _CLOSED
        self.timeout.reschedule(self._loop.time())

    def ending(self) -> None:
        """The last event came; only the end is to come."""
        self.timeout.reschedule(self._loop.time() + _GOODBYE_S)


async def _feed(response: "httpx2.Response", incoming: Incoming, watch: _Watch) -> None:
    """Take the stream's events, to its end if that comes soon after the last of them."""
    from anthropic import AsyncStream

    # As they came: what the client makes of events drops those without a name, and what it does not know.
    events = cast("Any", AsyncStream.raw_events(response))
    try:
        async with aclosing(events):
            async for event in events:
                if incoming.is_over or not event.data:
                    continue
                if event.event == "error":
                    raise broken_off(said_in(event.data.encode()))
                if incoming.take(event.data):
                    watch.progressed()
                if incoming.is_over:
                    watch.ending()
    except UnicodeDecodeError as error:
        raise NotAReply(f"sent bytes that are no UTF-8 ({error.reason})") from None


def _message(kind: str, body: bytes) -> dict[str, JSON]:
    """The message in a body that is no stream.

    Errors: NotAReply, with the first words of what else it is.
    """
    try:
        message = msgspec.json.decode(body) if "json" in kind else None
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotAReply(f"answered with JSON that is broken ({error}): {first_words(body)}") from None
    if not isinstance(message, dict):
        raise NotAReply(f"answered with {kind or 'nothing'} where a stream of events was due: {first_words(body)}")
    return message
