"""Runs the contract once for every store."""

from pathlib import Path

import pytest

from tests.contract.stores import DISKS, Disk


@pytest.fixture(params=sorted(DISKS))
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    """An empty disk of each kind of store."""
    return DISKS[request.param](tmp_path)
