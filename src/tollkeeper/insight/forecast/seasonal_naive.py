"""As a week ago."""

from __future__ import annotations

from collections.abc import Sequence

from tollkeeper.insight.forecast.days import Days
from tollkeeper.insight.forecast.method import Ahead, Method


def _ahead(days: Days, origins: Sequence[int], length: int) -> list[Ahead]:
    weeks = length // 7 + 1
    return [(list(days.tamed[origin - 7 : origin]) * weeks)[:length] for origin in origins]


METHODS = (Method("seasonal naive", 7, _ahead),)
