"""What the tests of whole sessions share."""

from pathlib import Path

import pytest

from tests.cli.podium import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder to run `podium` in."""
    return Folder(tmp_path)
