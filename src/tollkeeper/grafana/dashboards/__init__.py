"""The dashboards, one module each."""

from __future__ import annotations

from tollkeeper.grafana.dashboards import anomalies, budgets, cost, overview, performance, pipeline, usage
from tollkeeper.grafana.frame import Board

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    cost.BOARD,
    budgets.BOARD,
    usage.BOARD,
    performance.BOARD,
    anomalies.BOARD,
    pipeline.BOARD,
)
