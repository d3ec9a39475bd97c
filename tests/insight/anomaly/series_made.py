"""Series for tests: days or hours from a Monday on, with what was said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

from tollkeeper.insight.series import Series, Step, calendar

NANO = 1_000_000_000
LONG = {"hour": 3600 * NANO, "day": 86_400 * NANO}


def series(
    values: Sequence[float | None],
    step: Step = "day",
    *,
    calls: Sequence[int] | int = 1000,
    zone: str = "UTC",
    first: tuple[int, int, int] = (2025, 9, 1),
) -> Series:
    """The values, one after the other."""
    start = int(datetime(*first, tzinfo=ZoneInfo(zone)).timestamp()) * NANO
    when = calendar(start, start + (len(values) + 1) * LONG[step], step, zone) if values else None
    if when is None:
        return Series(step, (), (), (), (), ())
    columns = [column[: len(values)] for column in when[1:]]
    counts = [calls] * len(values) if isinstance(calls, int) else list(calls)
    return Series(step, *columns, tuple(values), tuple(counts))  # type: ignore[arg-type]


def week(days: int, *, weekend: float = 0.3, dollars: float = 100.0, sd: float = 0.12, seed: int = 1) -> list[float]:
    """Days of a product that is used less at weekends, in nano-dollars."""
    draw = Random(seed)
    usual = [dollars * (weekend if day % 7 >= 5 else 1.0) for day in range(days)]
    return [each * NANO * math.exp(draw.gauss(0, sd)) for each in usual]


def hours(days: int, *, dollars: float = 20.0, sd: float = 0.15, seed: int = 1) -> list[float]:
    """Hours of a product that is used in the daytime, in nano-dollars."""
    draw = Random(seed)
    shape = [0.1 + 0.9 * math.exp(-((hour - 14) ** 2) / 32) for hour in range(24)]
    return [dollars * NANO * shape[hour % 24] * math.exp(draw.gauss(0, sd)) for hour in range(24 * days)]
