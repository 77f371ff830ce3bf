"""Bodies of requests: bounded in size and time, and JSON that has one meaning only.

What JSON readers disagree about is refused, with the place: a key that stands twice, NaN and Infinity, half a surrogate
pair, NUL, numbers beyond 64 bits, nesting that is deeper than any real body's.
"""

import asyncio
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from podium.api.errors import JSON_TYPE, ApiError, dotted
from podium.api.state import Settings
from podium.core.json import JSON

DEPTH = 64
_LARGE = 32 * 1024  # bytes; checking more than that would hold up everybody else
_WITHOUT = frozenset(["GET", "HEAD", "OPTIONS", "DELETE"])


class Bodies:
    """ASGI middleware: the application behind it is given whole bodies that were checked."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(scope, receive)
        if body is None:  # the client is gone
            return
        if body and scope["method"] not in _WITHOUT:
            if len(body) > _LARGE:
                await asyncio.to_thread(check, body)
            else:
                check(body)
            # Whatever it was called, it is JSON; a body of another name would not be read.
            others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
            scope["headers"] = [*others, (b"content-type", JSON_TYPE.encode())]
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        most = self._settings.body_bytes
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > most:
                raise _too_large(most)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.body_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise _too_large(most)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise ApiError(
                408,
                f"body: did not come whole within {self._settings.body_s:g} s",
                headers={"connection": "close"},
            ) from None


def _too_large(most: int) -> ApiError:
    return ApiError(413, f"body: is larger than {most:,} bytes; send less at once")


# --- JSON with one meaning ---------------------------------------------------------------------------


class _Odd:
    """Stands in the tree where a value is none that can be kept; `why` says so."""

    def __init__(self, why: str) -> None:
        self.why = why


def check(body: bytes) -> None:
    """Nothing, if the body is JSON that every reader reads alike and that can be kept.

    Errors: ApiError, a 400 that names the place.
    """
    twice: list[tuple[dict[str, JSON], str]] = []
    odd: list[_Odd] = []

    def pairs(found: list[tuple[str, JSON]]) -> dict[str, JSON]:
        made = dict(found)
        if len(made) < len(found):
            twice.append((made, _repeated(found)))
        return made

    def strange(why: str) -> _Odd:
        odd.append(_Odd(why))
        return odd[-1]

    def real(text: str) -> JSON:
        value = float(text)
        return value if math.isfinite(value) else strange(f"{text:.20} is too large a number")

    def whole(text: str) -> JSON:
        value = int(text) if len(text) <= 20 else 2**64
        return value if -(2**63) <= value < 2**64 else strange(f"{text:.20}… is too large a number")

    try:
        text = body.decode()
        value = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_constant=lambda name: strange(f"{name} is no number that JSON has"),
            parse_float=real,
            parse_int=whole,
        )
    except UnicodeDecodeError as error:
        raise ApiError(400, f"body: is not UTF-8, at byte {error.start}") from None
    except json.JSONDecodeError as error:
        said = error.msg[:1].lower() + error.msg[1:]
        raise ApiError(400, f"body: is not JSON: {said}, at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise ApiError(400, f"body: is nested more than {DEPTH} levels deep") from None
    _check_depth(value)  # first: places are short then
    if twice:
        at, name = twice[-1]  # one before it may be gone: under a key that stands twice itself
        place = next(place for place, node in _nodes(value) if node is at)
        raise ApiError(400, f"{dotted((*place, name))}: this key stands twice")
    if odd:
        place = next(place for place, node in _nodes(value) if node is odd[0])
        raise ApiError(400, f"{dotted(place) or 'body'}: {odd[0].why}")
    _check_texts(value, body)


def _repeated(pairs: Sequence[tuple[str, JSON]]) -> str:
    """The first name that comes a second time."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise ValueError("all of these names are different")


def _check_depth(value: JSON) -> None:
    level = [value]
    for _ in range(DEPTH + 1):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return
    place = next(place for place, _ in _nodes(value) if len(place) > DEPTH)
    raise ApiError(400, f"{dotted(place[:3])}: is nested more than {DEPTH} levels deep")


def _check_texts(value: JSON, body: bytes) -> None:
    lowered = body.lower() if b"\\u" in body else b""
    if b"\\ud" not in lowered and b"\\u0000" not in lowered:
        return
    for place, node in _nodes(value):
        texts = [node] if isinstance(node, str) else list(node) if isinstance(node, dict) else []
        for text in texts:
            if "\0" in text:
                raise ApiError(400, f"{dotted(place) or 'body'}: holds the character NUL, which no text may have")
            if not _has_utf8(text):
                raise ApiError(400, f"{dotted(place) or 'body'}: holds half a surrogate pair, which is no character")


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _children(node: Any) -> Sequence[Any]:
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else ()


def _nodes(value: JSON) -> Iterator[tuple[tuple[str | int, ...], JSON]]:
    """Every value with its place, the outer ones first."""
    waiting: list[tuple[tuple[str | int, ...], JSON]] = [((), value)]
    while waiting:
        place, node = waiting.pop()
        yield place, node
        entries: list[tuple[str | int, JSON]] = []
        if isinstance(node, dict):
            entries = [(_printable(name), child) for name, child in node.items()]
        elif isinstance(node, list):
            entries = list(enumerate(node))
        waiting.extend(((*place, step), child) for step, child in reversed(entries))


def _printable(name: str) -> str:
    return name[:60] if _has_utf8(name) and name.isprintable() else ascii(name[:60])
