"""The commands, of a world that is one test's alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.telling import Tell
    from sidecar.api.world import World


@pytest.fixture
def tollkeeper(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Tell]:
    # The previous SDKs' environment has nothing of a sidecar.
    from cli.telling import telling  # noqa: PLC0415
    from sidecar.api.serving import serving  # noqa: PLC0415

    with serving(world.app) as url:
        yield telling(world, url, monkeypatch, capsys)
