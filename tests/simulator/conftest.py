from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tollkeeper.simulator import Simulator

BESIDE = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=1) as running:
        yield running


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded traffic, which is beside the repository and not in it."""
    folder = Path(os.environ.get("TOLLKEEPER_SHARED") or BESIDE)
    if not (folder / "recordings" / "INDEX.json").is_file():
        if os.environ.get("CI"):
            pytest.fail(f"no recordings in {folder}: set TOLLKEEPER_SHARED")
        pytest.skip(f"no recordings in {folder}: set TOLLKEEPER_SHARED to replay them")
    return folder


@pytest.fixture(scope="session")
def recordings(shared: Path) -> Path:
    return shared / "recordings"
