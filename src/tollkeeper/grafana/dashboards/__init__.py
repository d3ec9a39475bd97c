"""The dashboards, one module each."""

from __future__ import annotations

from tollkeeper.grafana.dashboards import overview
from tollkeeper.grafana.frame import Board

BOARDS: tuple[Board, ...] = (overview.BOARD,)
