"""Bodies: bounded, in time, and JSON with one meaning."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from podium.api.bodies import check
from podium.api.errors import ApiError
from podium.api.state import Settings
from tests.api.server import Serve


def refusal(body: bytes) -> str:
    with pytest.raises(ApiError) as caught:
        check(body)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    return str(caught.value)


@pytest.mark.difference("strict-json")
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: is not JSON: expecting value, at line 1 column 1"),
        (b'{"a": 1', "body: is not JSON: expecting ',' delimiter, at line 1 column 8"),
        (b'{"a": 1} x', "body: is not JSON: extra data, at line 1 column 10"),
        (b'{"a": "\xff"}', "body: is not UTF-8, at byte 7"),
        ('{"a": 1}'.encode("utf-16"), "body: is not UTF-8, at byte 0"),
        (b'{"a": {"b": [{"c": 1, "d": 2, "c": 3}]}}', "a.b[0].c: this key stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "a: this key stands twice"),
        (b'{"a": [1, NaN]}', "a[1]: NaN is no number that JSON has"),
        (b'{"a": -Infinity}', "a: -Infinity is no number that JSON has"),
        (b"NaN", "body: NaN is no number that JSON has"),
        (b'{"a": 1e999}', "a: 1e999 is too large a number"),
        (b'{"a": 18446744073709551616}', "a: 18446744073709551616… is too large a number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a: 99999999999999999999… is too large a number"),
        (b'{"a": {"b": "x\\ud800y"}}', "a.b: holds half a surrogate pair, which is no character"),
        (b'{"a": {"\\uDC00": 1}}', "a: holds half a surrogate pair, which is no character"),
        (b'{"a": ["x\\u0000"]}', "a[0]: holds the character NUL, which no text may have"),
        (b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}", "a[0][0]: is nested more than 64 levels deep"),
        (b"[" * 200_000, "body: is nested more than 64 levels deep"),
    ],
)
def test_json_that_readers_disagree_about_is_refused_with_its_place(body: bytes, words: str) -> None:
    assert refusal(body) == words


def test_key_that_stands_twice_below_another_one_is_refused_at_the_outer_place() -> None:
    assert refusal(b'{"a": {"b": 1, "b": 2}, "a": 3}') == "a: this key stands twice"


def test_finding_what_is_wrong_takes_no_longer_than_reading_it() -> None:
    many = ", ".join(f'"{number}": 0' for number in range(20_000))
    deep = b'{"a": ' * 500 + b"[" + b"0, " * 100_000 + b"NaN]" + b"}" * 500
    began = time.process_time()

    assert refusal(f'{{{many}, "19999": 1}}'.encode()) == "19999: this key stands twice"
    assert refusal(deep) == "a.a.a: is nested more than 64 levels deep"
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\ud83d\\ude00 \\\\u0000 \\\\ud800"}',
        b'{"a": ' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"a": 18446744073709551615, "b": -9223372036854775808, "c": 1e308}',
        b'{"a": {"x": 1}, "b": {"x": 1}}',
    ],
)
def test_json_with_one_meaning_passes(body: bytes) -> None:
    check(body)


async def test_broken_json_is_an_error_of_the_api(served: Serve) -> None:
    async with served() as server:
        got = await server.post("/v1/models", raw=b"{")

        assert (got.status, got.error_type) == (400, "invalid_request_error")
        assert got.error.startswith("body: is not JSON")


async def test_body_is_json_whatever_it_is_called(served: Serve) -> None:
    async with served() as server:
        got = await server.post("/v1/models", raw=b"a=1", headers={"content-type": "application/x-www-form-urlencoded"})

        assert got.error.startswith("body: is not JSON")


@pytest.mark.parametrize("says_its_length", [True, False])
async def test_body_that_is_too_large_is_refused_and_the_connection_goes_on(
    served: Serve, says_its_length: bool
) -> None:
    async with served(settings=Settings(body_bytes=1000)) as server:
        parts = [b'{"a": "', b"x" * 100_000, b'"}']

        async def stream() -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        content = b"".join(parts) if says_its_length else stream()
        got = await server.client.post(server.url + "/v1/models", content=content, headers={"x-api-key": server.key})
        again = await server.get("/health")

        assert (got.status_code, got.json()["error"]["type"]) == (413, "request_too_large")
        assert got.json()["error"]["message"] == "body: is larger than 1,000 bytes; send less at once"
        assert again.status == 200


async def test_body_that_does_not_come_is_waited_for_so_long_and_not_longer(served: Serve) -> None:
    async with served(settings=Settings(body_s=0.05)) as server:
        parts = urlsplit(server.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = (
            f"POST /v1/models HTTP/1.1\r\nhost: {parts.netloc}\r\nx-api-key: {server.key}\r\ncontent-length: 50\r\n\r\n"
        )
        writer.write(head.encode() + b'{"a": ')

        answer = (await reader.read()).decode()  # to its end: the connection is closed
        writer.close()

        assert answer.startswith("HTTP/1.1 408 ")
        assert (
            json.loads(answer.partition("\r\n\r\n")[2])["error"]["message"] == "body: did not come whole within 0.05 s"
        )


async def test_who_hangs_up_in_the_middle_of_a_body_leaves_nothing_behind(served: Serve) -> None:
    async with served() as server:
        parts = urlsplit(server.url)
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(f"POST /v1/models HTTP/1.1\r\nhost: {parts.netloc}\r\nx-api-key: {server.key}\r\n".encode())
        writer.write(b"content-length: 50\r\n\r\n{")
        await writer.drain()
        writer.close()

        assert (await server.get("/health")).status == 200
