"""What several unit tests share."""

from collections.abc import Iterator

import pytest

from tests.unit.calling import Calls


@pytest.fixture
def calls() -> Iterator[Calls]:
    """Model calls on a limiter of their own, in simulated time."""
    calls = Calls()
    yield calls
    calls.close()
