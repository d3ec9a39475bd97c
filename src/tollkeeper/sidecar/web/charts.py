"""What is drawn, and the table of the same figures. Positions on a screen may be floats; the table is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

Unit = Literal["usd", "count", "tokens", "seconds", "percent"]
Form = Literal["stack", "lines"]
Number = Decimal | int | float


@dataclass(frozen=True, slots=True)
class Line:
    """One row of values beside the chart's moments; `None` where there is none. `dashed`: what is only expected."""

    label: str
    values: Sequence[Number | None]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """Between what most outcomes are."""

    label: str
    low: Sequence[Number | None]
    high: Sequence[Number | None]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened then; `sign` is drawn, and told beside the chart with the words."""

    at: datetime
    words: str
    sign: Literal["▲", "◆", "●"]
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """A line right across, such as a limit."""

    value: Number
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`moments` are the starts of intervals; `csv` is where a file of the same figures is."""

    title: str
    unit: Unit
    moments: Sequence[datetime]
    lines: Sequence[Line]
    form: Form = "stack"
    band: Band | None = None
    levels: Sequence[Level] = ()
    marks: Sequence[Mark] = ()
    csv: str | None = None
    zone: str = "UTC"
    by_hour: bool = False
    source: str = "ledger"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for line in self.lines for value in line.values)

    def drawn(self, locale: str) -> dict[str, Any]:
        """For the browser."""
        return {
            "form": self.form,
            "unit": self.unit,
            "zone": self.zone,
            "byHour": self.by_hour,
            "locale": locale.replace("_", "-"),
            "x": [int(at.timestamp()) for at in self.moments],
            "lines": [{"label": line.label, "values": line.values, "dashed": line.dashed} for line in self.lines],
            "band": None if self.band is None else {
                "label": self.band.label, "low": self.band.low, "high": self.band.high,
            },
            "levels": [{"value": level.value, "label": level.label} for level in self.levels],
            "marks": [{"at": int(mark.at.timestamp()), "words": mark.words, "sign": mark.sign} for mark in self.marks],
        }  # fmt: skip
