"""Optimisation: what would be cheaper, by how much, how to do it; and what accepted advice has saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tollkeeper.sidecar.reports.document import Chart, Column, Figure, Line, Section, Snippet, Table, Value
from tollkeeper.sidecar.reports.material import Material
from tollkeeper.sidecar.reports.wording import dollars
from tollkeeper.storage.insight.recommendations import Kept, Recommendations

EVALUATOR: Final = "recommendations"
MOST_TOLD: Final = 15
BARS: Final = 10
WAYS: Final = {"policy": "In the policy file", "code": "In the code", "command": "By a command"}
COLUMNS: Final = (
    Column("advice", "Recommendation", "text"),
    Column("spend", "Cost / month", "money"),
    Column("saving", "Saves / month", "money"),
    Column("low", "Least", "money"),
    Column("high", "Most", "money"),
    Column("confidence", "Confidence", "text"),
    Column("id", "Id", "text"),
)


def sections(material: Material) -> list[Section]:
    """What is advised as the report is made, whatever its period is: it rests on the 30 days before."""
    evaluated, told = material.evaluated(EVALUATOR)
    if evaluated is None:
        return [Section("Summary", notes=["Not evaluated yet: recommendations are made once a day."])]
    store = Recommendations(material.sources.database)
    kept = [one for one in store.all(("open", "accepted")) if material.asked.fits(one.recommendation.scope)]
    advised = [one for one in kept if one.state == "open"]
    accepted = [one for one in kept if one.state == "accepted"]
    saving = [one for one in advised if (one.recommendation.saving and one.recommendation.saving.mid > 0)][:BARS]
    bars = Chart("Likely saving in a month", "bars", "money", [one.recommendation.title for one in saving],
                 [Line("Saving", [_mid(one) for one in saving])])  # fmt: skip
    table = Table("recommendations", "Recommendations", COLUMNS, [_row(one) for one in advised], None, "None.")
    note = (
        f"{told} A month is 30 days. In four of five cases what is saved is between the least and the most. "
        "Of alternatives for the same calls, only the best is in the sum."
    )
    return [
        Section("Summary", figures=list(_figures(advised, accepted)), charts=[bars] if saving else [], notes=[note]),
        Section("Recommendations", tables=[table]),
        *(_told(one) for one in advised[:MOST_TOLD]),
        Section("Accepted", tables=[_accepted(accepted)]),
    ]


def _figures(advised: Sequence[Kept], accepted: Sequence[Kept]) -> Iterator[Figure]:
    best = [
        one.recommendation.saving
        for one in advised
        if one.recommendation.saving is not None and one.recommendation.alternative_to is None
    ]
    low, high = sum(each.low for each in best), sum(each.high for each in best)
    yield Figure("Saving in a month", sum(each.mid for each in best), "money", f"{dollars(low)} to {dollars(high)}")
    yield Figure("Recommendations", len(advised), "count", "open")
    saved = sum(_tracked(one).get("saved") or 0 for one in accepted if _tracked(one).get("verdict") == "saved")
    yield Figure("Saved already", saved, "money", f"by {len(accepted)} that were accepted")


def _row(kept: Kept) -> tuple[Value, ...]:
    one, saving = kept.recommendation, kept.recommendation.saving
    amounts = (None, None, None) if saving is None else (saving.mid, saving.low, saving.high)
    return one.title, one.spend, *amounts, one.confidence, one.id


def _told(kept: Kept) -> Section:
    one = kept.recommendation
    lines = [*(f"Rests on: {each}" for each in one.rests_on), *(f"Risk: {each}" for each in one.risks)]
    if one.alternative_to is not None:
        lines.append(f"It is an alternative to {one.alternative_to}: savings of the two do not add up.")
    ways = [Snippet(WAYS[way.means], way.text) for way in one.ways]
    return Section(one.title, notes=lines, snippets=ways)


def _accepted(accepted: Sequence[Kept]) -> Table:
    columns = (
        Column("advice", "Recommendation", "text"),
        Column("by", "Accepted by", "text"),
        Column("verdict", "Did it save?", "text"),
        Column("saved", "Saved", "money"),
        Column("low", "At least", "money"),
        Column("high", "At most", "money"),
    )
    rows = [
        (
            one.recommendation.title, one.decided_by, str(_tracked(one).get("verdict", "too_early")).replace("_", " "),
            *(_tracked(one).get(name) for name in ("saved", "low", "high")),
        )
        for one in accepted
    ]  # fmt: skip
    return Table("accepted", "Accepted", columns, rows, None, "Nothing was accepted yet.")


def _mid(kept: Kept) -> int:
    return kept.recommendation.saving.mid if kept.recommendation.saving else 0


def _tracked(kept: Kept) -> dict[str, Any]:
    return dict(kept.tracking or {})
