"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.cli.podium import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder to run `podium` in."""
    return Folder(tmp_path)
