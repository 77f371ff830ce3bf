"""What tests of the API share."""

from functools import partial
from pathlib import Path

import pytest

from tests.api.server import Serve, serve


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Starts a server: `async with served(script) as server`. Nothing of the machine's own configuration is read."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "PODIUM_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    return partial(serve, tmp_path / "data")
