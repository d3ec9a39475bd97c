from __future__ import annotations

from collections.abc import Iterator

import pytest

from grafana.observed import Observed, running


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """A day of traffic, as Prometheus has seen it."""
    with running(tmp_path_factory.mktemp("observed")) as run:
        yield run
