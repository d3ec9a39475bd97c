"""What the tests of the capture side may ask for besides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tollkeeper
from capture.bench import Records
from tollkeeper.capture import faults


@pytest.fixture
def records() -> Iterator[Records]:
    """The records of a test's calls. No fault of ours may have happened."""
    before = faults.counts()
    yield Records()
    tollkeeper.uninstrument()
    assert faults.counts() == before, "the instrumentation has failed somewhere; see the log"
