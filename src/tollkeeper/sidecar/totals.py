"""What sums over calls say, and what they do not: the same rules for every answer and report."""

from __future__ import annotations

from collections.abc import Iterable

from tollkeeper.storage.ledger import Totals


def add(rows: Iterable[Totals]) -> Totals:
    """All of them together."""
    columns = list(zip(*rows, strict=True))
    return Totals(*map(sum, columns)) if columns else Totals()


def tokens_known(totals: Totals) -> bool:
    """Whether the sum of tokens says anything: not if it is of calls that nobody has counted."""
    counted = totals.calls - totals.failed - totals.unmeasured
    return bool(totals.input_tokens or totals.output_tokens) or not totals.unmeasured or counted > 0


def nano_usd(totals: Totals) -> int | None:
    """What the calls cost, or `None` if the cost of none is known, and some may have cost something."""
    return totals.nano_usd if totals.costed or not (totals.unpriced or totals.calls > totals.failed) else None
