"""Holds everything that came over the wire against the types of the SDK 2.x, and counts what was seen."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from tests.api.sdk.record import Exchange
from tests.api.sdk.routes import ANSWERS, route_of
from tests.api.sdk.strict import faults

_MOST = 20  # faults of one route that are told


class Seen:
    """What a run's exchanges hold.

    Shape: `routes` and `kinds` that came; `faults` by route; `answers` by route, one of each shape.
    """

    def __init__(self) -> None:
        self.routes: set[str] = set()
        self.kinds: set[str] = set()
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.answers: dict[str, dict[str, Any]] = defaultdict(dict)

    def look_at(self, exchanges: Iterable[Exchange]) -> None:
        """Check these."""
        for exchange in exchanges:
            route = route_of(exchange.method, exchange.path)
            found = list(self._faults(exchange, route))
            new = [fault for fault in dict.fromkeys(found) if fault not in self.faults[route]]
            self.faults[route] += new[: _MOST - len(self.faults[route])]

    def _faults(self, exchange: Exchange, route: str) -> Iterator[str]:
        if not exchange.headers.get("request-id", "").startswith("req_"):
            yield f"no request-id ({exchange.status})"
        if exchange.status >= 400:
            yield from error_faults(exchange)
            return
        self.routes.add(route)
        if exchange.is_stream:
            for each in exchange.frames():
                if "event" not in each["frame"]:
                    yield f"a frame without a name: {each['frame']}"
                self.answers[route].setdefault(_shape(each["event"]), each["event"])
                yield from self._event(each["event"], ANSWERS[route])
            return
        try:
            body = json.loads(exchange.body)
        except ValueError:
            return  # the client hung up before it was read
        if route not in ANSWERS:
            return
        self.answers[route].setdefault(_shape(body), body)
        yield from faults(body, ANSWERS[route], "body")
        if isinstance(body, dict) and isinstance(body.get("data"), list):
            if exchange.method == "GET" and not route.startswith("GET /v1/models") and "next_page" not in body:
                yield "body.next_page: missing"
            if route.endswith("/events"):
                self.kinds |= {event.get("type", "") for event in body["data"]}

    def _event(self, event: Any, wanted: Any) -> Iterator[str]:
        self.kinds.add(event.get("type", ""))
        yield from faults(event, wanted, "event")


def _shape(value: Any) -> str:
    """The same for values that differ in their texts and numbers alone."""
    match value:
        case dict():
            named = {name: each if name == "type" else _shape(each) for name, each in value.items()}
            return repr(sorted(named.items()))
        case list():
            return repr(sorted({_shape(each) for each in value}))
        case _:
            return type(value).__name__


def error_faults(exchange: Exchange) -> Iterator[str]:
    """What is wrong with an error's body."""
    where = f"error {exchange.status}"
    try:
        body = json.loads(exchange.body)
    except ValueError:
        yield f"{where}: {bytes(exchange.body[:80])!r} is no JSON"
        return
    match body:
        case {
            "type": "error",
            "error": {"type": str(), "message": str(message), **rest},
            "request_id": str(id),
            **more,
        }:
            if rest.keys() - {"details"} or more:
                yield f"{where}: {sorted(map(str, [*rest, *more]))} beyond the API's fields"
            if id != exchange.headers.get("request-id"):
                yield f"{where}: request_id {id!r} is not the header's"
            if not message:
                yield f"{where}: says nothing"
        case _:
            yield f"{where}: {body!r:.120} is no error of the API"
