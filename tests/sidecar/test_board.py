"""What workers know of themselves, put together."""

from __future__ import annotations

import os
from pathlib import Path

from tollkeeper.sidecar.board import Board, Figures
from tollkeeper.sidecar.receive.counts import Loss


def test_what_spools_lost_that_are_no_longer_told_apart(tmp_path: Path) -> None:
    board = Board(str(tmp_path))
    board.leave(Figures([], {"a" * 32: Loss(3, 1)}, 40))
    (tmp_path / f"{os.getpid()}.json").rename(tmp_path / "1.json")
    together = board.together(Figures([], {"a" * 32: Loss(2, 2)}, 500))
    assert together == Figures([], {"a" * 32: Loss(3, 2)}, 540)
    (shown,) = together.shown()
    assert shown.value == 543
