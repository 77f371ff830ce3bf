"""Runs the contract once for every store, and gives folders to test in."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.stores import DISKS, Disk


@pytest.fixture(params=sorted(DISKS))
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    """An empty disk of each kind of store."""
    return DISKS[request.param](tmp_path)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
