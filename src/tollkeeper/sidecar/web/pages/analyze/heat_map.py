"""Hours of the week by the zone's clock: what is used in each, as often as it came."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from tollkeeper.client.answers import Usage
from tollkeeper.model.calendar import zone_named
from tollkeeper.sidecar.web.charts import Unit
from tollkeeper.sidecar.web.pages.analyze.intervals import starts
from tollkeeper.sidecar.web.pages.analyze.metrics import METRICS, Metric

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
STEPS = 6
"""Shades, without that of nothing at all."""
PEAKS = 3


class Cell(NamedTuple):
    """An hour of a weekday. `each` is `None` where it did not come, `step` is how dark it is."""

    weekday: int
    hour: int
    times: int
    total: Decimal
    each: Decimal | None
    step: int

    @property
    def words(self) -> str:
        return f"{WEEKDAYS[self.weekday]} {self.hour:02}:00 to {(self.hour + 1) % 24:02}:00"


class HeatMap(NamedTuple):
    """A row for each weekday, from Monday on."""

    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    peaks: tuple[Cell, ...]
    unit: Unit
    words: str


def heat_map(hours: Usage, metric: Metric, now: datetime) -> HeatMap:
    """Of usage by the hour. Averages of calls are not summed up: of them, the map shows the cost."""
    shown = metric if metric.adds_up else METRICS["cost"]
    zone = zone_named(hours.zone)
    times = Counter((at.weekday(), at.hour) for at in (each.astimezone(zone) for each in starts(hours, "hour", now)))
    totals: dict[tuple[int, int], Decimal] = {}
    for group in hours.groups:
        if group.start is not None and (value := shown.of(group)) is not None:
            at = group.start.astimezone(zone)
            slot = (at.weekday(), at.hour)
            totals[slot] = totals.get(slot, Decimal(0)) + Decimal(value)
    means = {slot: totals.get(slot, Decimal(0)) / count for slot, count in times.items()}
    busy = sorted(mean for mean in means.values() if mean)
    cells = {slot: _cell(slot, times[slot], totals.get(slot, Decimal(0)), means.get(slot), busy) for slot in _week()}
    peaks = sorted((cell for cell in cells.values() if cell.each), key=lambda cell: -(cell.each or 0))[:PEAKS]
    rows = tuple((name, tuple(cells[day, hour] for hour in range(24))) for day, name in enumerate(WEEKDAYS))
    return HeatMap(rows, tuple(peaks), shown.unit, shown.words)


def _week() -> list[tuple[int, int]]:
    return [(day, hour) for day in range(7) for hour in range(24)]


def _cell(slot: tuple[int, int], times: int, total: Decimal, each: Decimal | None, busy: Sequence[Decimal]) -> Cell:
    # By rank: one hour that is far above all others would leave these alike.
    step = 1 + bisect_left(busy, each) * STEPS // len(busy) if each else 0
    return Cell(*slot, times, total, each, step)
