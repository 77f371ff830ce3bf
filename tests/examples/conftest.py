"""The rehearsal of the audit answers at once in tests, except where its pace is what is tested."""

import pytest


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_REHEARSAL_PACE", "0")
