"""Anomalies: what was unusual in a period, what it has cost, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tollkeeper.insight.anomaly.wording import contributor_text, lines_of, range_text, title_of, value_text
from tollkeeper.model.finding import SEVERITIES
from tollkeeper.sidecar.reports.document import Chart, Column, Figure, Line, Section, Table, Value
from tollkeeper.sidecar.reports.material import Material
from tollkeeper.storage.insight.anomalies import AnomalyQuery, AnomalyStore, Kept

MOST: Final = 1000
MOST_TOLD: Final = 10
BARS: Final = 10
EVALUATOR: Final = "anomalies.rules"
"""Whether any of them has run is known by one."""

OVERLAP: Final = (
    "Anomalies may be about the same calls, as of a tenant and of its model: what they have cost does not add up."
)
COLUMNS: Final = (
    Column("began_at", "Began", "moment"),
    Column("ended_at", "Ended", "moment"),
    Column("severity", "Severity", "text"),
    Column("what", "What", "text"),
    Column("expected", "Expected", "text"),
    Column("actual", "Actual", "text"),
    Column("excess", "Excess", "money", "–"),
    Column("label", "Label", "text", ""),
)


def sections(material: Material) -> list[Section]:
    """What began in the period; the worst of it told in full."""
    asked = material.asked
    store = AnomalyStore(material.sources.database)
    found = [
        kept
        for kept in store.anomalies(AnomalyQuery(asked.start, asked.end, limit=MOST))
        if asked.fits(kept.anomaly.scope)
    ]
    _, told = material.evaluated(EVALUATOR)
    if not found and told.startswith("Not"):
        return [Section("Summary", notes=["Not evaluated yet: nobody has looked for anomalies."])]
    dearest = sorted(found, key=lambda kept: (-(kept.anomaly.excess_nano_usd or 0), kept.anomaly.start))
    cost = [kept for kept in dearest if (kept.anomaly.excess_nano_usd or 0) > 0][:BARS]
    bars = Chart("Spent above what was expected", "bars", "money", [_what(kept) for kept in cost],
                 [Line("Excess", [kept.anomaly.excess_nano_usd for kept in cost])])  # fmt: skip
    table = Table("anomalies", "Anomalies", COLUMNS, [_row(kept, material) for kept in found], None, "None was found.")
    more = [f"Only the newest {MOST:,} are shown."] if len(found) >= MOST else []
    return [
        Section("Summary", figures=list(_figures(found)), charts=[bars] if cost else []),
        Section("Anomalies", tables=[table], notes=[*more, OVERLAP] if found else []),
        *(_told(kept) for kept in _worst(found)),
    ]


def _figures(found: Sequence[Kept]) -> Iterator[Figure]:
    open_ = [kept for kept in found if kept.ended_at is None]
    severe = [kept for kept in found if kept.anomaly.severity in ("critical", "emergency") and kept.label != "false"]
    dearest = max((kept.anomaly.excess_nano_usd or 0 for kept in found), default=0)
    false = sum(1 for kept in found if kept.label == "false")
    yield Figure("Anomalies", len(found), "count", f"{len(open_)} still hold")
    yield Figure("Severe", len(severe), "count", "critical or worse")
    if dearest:
        yield Figure("Dearest", dearest, "money", "above what was expected")
    yield Figure("Labelled", sum(1 for kept in found if kept.label), "count", f"{false} as false")


def _row(kept: Kept, material: Material) -> tuple[Value, ...]:
    one = kept.anomaly
    return (
        material.asked.shown(one.start),
        None if kept.ended_at is None else material.asked.shown(kept.ended_at),
        one.severity,
        _what(kept),
        range_text(one),
        value_text(one.metric, one.actual),
        one.excess_nano_usd,
        kept.label,
    )


def _what(kept: Kept) -> str:
    """Its title without its figures."""
    return title_of(kept.anomaly).partition(" at ")[0].removesuffix(" stays")


def _worst(found: Sequence[Kept]) -> list[Kept]:
    def weight(kept: Kept) -> tuple[int, int]:
        return -SEVERITIES.index(kept.anomaly.severity), -(kept.anomaly.excess_nano_usd or 0)

    return sorted(found, key=weight)[:MOST_TOLD]


def _told(kept: Kept) -> Section:
    one = kept.anomaly
    lines = [*lines_of(one, kept.facts), *(contributor_text(each) for each in one.contributors)]
    if kept.acknowledged_by:
        lines.append(f"Taken on by {kept.acknowledged_by}.")
    if kept.note:
        lines.append(f"Note: {kept.note}")
    return Section(f"{one.severity.capitalize()}: {title_of(one)}", notes=lines)
