"""A Messages API server that does what it is told: its replies are the script in the newest message that holds one.
With a function of the request it does what that says.

It stands on a thread of its own, so that it serves processes while a test waits for them.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

from podium.core.summary import SUMMARIZE
from tests.api.sdk.script import MARK, say
from tests.models.server import OVER, Answer, MessagesServer, Received, begun, block_frames, ended, fails, says

_AT_ONCE = "0.02"


class Obedient:
    """The server, running from `with` to its end. Shape: `url` is where; `requests` what came."""

    def __init__(self, script: Callable[[Received], Answer] | None = None) -> None:
        self._script = script or self._answer
        self._called = threading.Condition()

    def __enter__(self) -> "Obedient":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="obedient")
        self._thread.start()
        self._failed: Counter[str] = Counter()
        self._server = MessagesServer(script=self._asked)
        asyncio.run_coroutine_threadsafe(self._server.__aenter__(), self._loop).result()
        self.url = self._server.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._server.__aexit__(None, None, None), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def requests(self) -> list[Received]:
        """What came so far."""
        return list(self._server.requests)

    def wait_for_a_call(self, number: int = 1) -> None:
        """Until so many calls have come."""
        with self._called:
            assert self._called.wait_for(lambda: len(self._server.requests) >= number, timeout=60)

    def _asked(self, request: Received) -> Answer:
        with self._called:
            self._called.notify_all()
        return self._script(request)

    def _answer(self, request: Received) -> Answer:
        messages = request.body["messages"]
        found, at = _newest(messages)
        if found is None:
            return says(say("over"))
        turn = sum(message["role"] == "assistant" for message in messages[at:])
        replies = [one for one in found["replies"] if one[0]["type"] != "fail"]
        if SUMMARIZE in json.dumps(messages[-1], ensure_ascii=False):
            return says(say(json.dumps({"replies": replies[turn:], "id": found["id"]})))
        failure = _failure_before(found["replies"], turn)
        if failure is not None and self._failed[f"{found['id']}/{turn}"] < failure["times"]:
            self._failed[f"{found['id']}/{turn}"] += 1
            if failure["status"] == 0:
                return Answer(parts=[begun()], then="ping")
            return fails(failure["status"], failure["error"], "as it was told", retry_after=_AT_ONCE)
        return _reply(replies[turn] if turn < len(replies) else [say("over")])


def _newest(messages: list[dict[str, Any]]) -> tuple[dict[str, Any] | None, int]:
    """The newest script, and which message holds it."""
    for at in range(len(messages) - 1, -1, -1):
        content = messages[at]["content"] if messages[at]["role"] == "user" else []
        for block in reversed(content):
            start = block["text"].rfind(MARK) if block["type"] == "text" else -1
            if start >= 0:
                found: dict[str, Any] = json.JSONDecoder().raw_decode(block["text"], start)[0]
                return found, at
    return None, 0


def _failure_before(replies: list[list[dict[str, Any]]], turn: int) -> dict[str, Any] | None:
    """The failure that goes before the reply of this turn, if any."""
    left = turn
    for [first, *_] in replies:
        if first["type"] != "fail":
            left -= 1
        elif left == 0:
            return first
        if left < 0:
            return None
    return None


def _reply(blocks: list[dict[str, Any]]) -> Answer:
    usage = {name: count for one in blocks if one["type"] == "used" for name, count in one["usage"].items()}
    blocks = [one for one in blocks if one["type"] != "used"]
    match blocks[0]["type"]:
        case "wait":
            return Answer(parts=[begun(), *block_frames(0, say("a first word"))[:2]], then="ping")
        case "refuse":
            details = {"type": "refusal", "category": "cyber", "explanation": "as it was told"}
            return Answer(parts=[begun(), ended("refusal", stop_details=details), OVER])
        case _:
            reason = "tool_use" if any(one["type"] == "tool_use" for one in blocks) else "end_turn"
            grown = [part for index, block in enumerate(blocks) for part in block_frames(index, block)]
            return Answer(parts=[begun(**usage), *grown, ended(reason), OVER])
