"""Requests made up from the OpenAPI document: the server never fails, and what it refuses it names."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.api.background import Background
from tests.api.house import furnish
from tests.api.server import MODEL

pytestmark = pytest.mark.slow
EXAMPLES = 30  # for each route
_LATE_S = 10.0
# Begins with the place: a field, a parameter, a header, or the body; or says which thing is in the way.
_PLACE = re.compile(r"[A-Za-z][\w-]*([.\[].*)?: ", re.DOTALL)
_THING = re.compile(r"\b(Idempotency-Key|agent|environment|session|thread|event|model)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    with Background(tmp_path_factory.mktemp("fuzz"), models=[MODEL]) as server:
        yield server


@pytest.fixture(scope="module")
def ids(server: Background) -> dict[str, str]:
    """Of one of everything, so that requests get further than a 404."""
    return server.run(furnish(server.served))


@pytest.fixture(scope="module")
def schema(server: Background) -> Any:
    return schemathesis.openapi.from_dict(requests.get(f"{server.url}/openapi.json", timeout=_LATE_S).json())


def test_no_request_makes_the_server_fail(server: Background, ids: dict[str, str], schema: Any) -> None:
    operations = [found.ok() for found in schema.get_all_operations()]

    seen = {f"{each.method.upper()} {each.path}": statuses(each, server, ids) for each in operations}

    # Much of what is there is gone after a while, deleted or archived: it is enough that each route was reached.
    assert {name for name, met in seen.items() if met & {200, 400, 404}} == set(seen)


def statuses(operation: Any, server: Background, ids: dict[str, str]) -> set[int]:
    """The statuses that requests of this operation got."""
    met = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), is_real=st.booleans())
    def ask(case: Any, is_real: bool) -> None:
        if is_real:  # an id that is there, so that what is made up for the rest meets the rules behind it
            case.path_parameters = {key: real(key, ids, value) for key, value in case.path_parameters.items()}
        met.add(check(case, server))

    ask()
    return met


def real(parameter: str, ids: dict[str, str], made_up: Any) -> Any:
    return next((id for kind, id in ids.items() if parameter.startswith(kind.rstrip("s"))), made_up)


def check(case: Any, server: Background) -> int:
    """Send it, and hold the answer against the rules; its status."""
    sent = case.as_transport_kwargs(base_url=server.url)
    sent["headers"] = {**sent["headers"], "x-api-key": server.key}
    with requests.request(**sent, timeout=_LATE_S, stream=True) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return int(answer.status_code)  # it does not end
        body = json.loads(answer.content)
    status = int(answer.status_code)
    assert status < 500, f"{case.method} {case.path}: {body}"
    if status >= 400:
        said = body["error"]["message"]
        assert body["request_id"] == answer.headers["request-id"]
        assert said, case
        if status == 400:
            assert _PLACE.match(said) or _THING.search(said), f"{case.method} {case.path} names nothing: {said}"
    return status
