"""The charges of what was asked, as a stream; and what is not among them."""

from __future__ import annotations

from collections.abc import Iterator

from tollkeeper.sidecar.reports.focus.charges import charges, corrections
from tollkeeper.sidecar.reports.focus.columns import Version
from tollkeeper.sidecar.reports.focus.rows import Row, lines, row_of, row_of_correction
from tollkeeper.sidecar.reports.material import Asked, Material, Sources
from tollkeeper.sidecar.totals import add


def exported(sources: Sources, asked: Asked, version: Version) -> Iterator[bytes]:
    """The file, some lines at a time, in UTF-8. However many calls there are, those of one day are held."""
    for some in lines(rows(sources, asked), version):
        yield some.encode(errors="replace")


def rows(sources: Sources, asked: Asked) -> Iterator[Row]:
    """Every charge, by day; then the corrections."""
    found = sources.ledger.select_calls(asked.start, asked.end, asked.filters)
    yield from map(row_of, charges(found))
    made = sources.ledger.select_adjustments(asked.start, asked.end, asked.filters)
    yield from map(row_of_correction, corrections(made))


def left_out(sources: Sources, asked: Asked) -> str:
    """What is in no charge, in words; empty where that is nothing."""
    material = Material(sources, asked)
    total = material.total()
    told = []
    if total.unpriced:
        told.append(f"calls without a price: {total.unpriced}")
    if total.unmeasured:
        told.append(f"calls of which nobody knows the usage: {total.unmeasured}")
    kept_since = sources.ledger.kept_since()
    if kept_since > asked.start:
        gone = Asked(asked.start, min(asked.end, kept_since), asked.now, asked.zone, asked.filters)
        sums = add(row.totals for row in material.usage(asked=gone))
        if sums.calls:
            told.append(
                f"calls that were deleted, whose sum alone is kept: {sums.calls}, for {sums.nano_usd} nano-dollars"
            )
    return "not among the charges: " + "; ".join(told) if told else ""
