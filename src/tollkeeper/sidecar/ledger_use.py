"""What the ledger has of a limit in one of its periods: by scope, without what was reset.

Limits look at the model that was asked for, and may look at any tag; where the ledger's sums know no such thing, its
calls are read one by one, if they are not too many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tollkeeper.model import Limit
from tollkeeper.model.limit import Match
from tollkeeper.storage.ledger import DIMENSIONS, Kept, Ledger, Totals, UsageQuery
from tollkeeper.storage.ledger.contract import Dimension
from tollkeeper.storage.resets import Resets

MOST_CALLS = 200_000
"""That are read one by one for a limit."""

Scope = tuple[str, ...]
"""The values of a limit's `per`, in its order."""


class LedgerUse:
    """Of one ledger. Raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger, resets: Resets) -> None:
        self._ledger = ledger
        self._resets = resets

    def of(self, limit: Limit, start: int, end: int) -> dict[Scope, int] | None:
        """In the unit of the limit's measure, from `start` on; `None` where too many calls would have to be read."""
        sums = self._sums(limit, start, end)
        return None if sums is None else self._without_resets(limit, start, sums)

    def _sums(self, limit: Limit, start: int, end: int) -> dict[Scope, int] | None:
        dimensions = dimensions_of(limit)
        if dimensions is not None:
            rows = self._ledger.usage(UsageQuery(start, end, dimensions))
            return sums_of_rows(limit, dimensions, ((row.group, row.totals) for row in rows))
        if sum(row.totals.calls for row in self._ledger.usage(UsageQuery(start, end))) > MOST_CALLS:
            return None
        return sums_of_calls(limit, self._ledger.select_calls(start, end))

    def _without_resets(self, limit: Limit, start: int, sums: dict[Scope, int]) -> dict[Scope, int]:
        for reset in self._resets.since(start):
            values = tuple(reset.scope.get(name, "") for name in limit.per)
            if reset.limit_name == limit.name and reset.period_start == start and values in sums:
                sums[values] -= reset.amount
        return sums


def sums_of_rows(
    limit: Limit, dimensions: Sequence[str], rows: Iterable[tuple[tuple[str, ...], Totals]]
) -> dict[Scope, int]:
    """What the ledger's sums have of a limit, by scope."""
    found: dict[Scope, int] = {}
    for group, totals in rows:
        values = dict(zip(dimensions, group, strict=True))
        if limit.binds(values.get("provider", ""), "", values.get("operation", ""), values):
            scope = tuple(values[name] for name in limit.per)
            found[scope] = found.get(scope, 0) + _MEASURED[limit.measure](totals)
    return found


def sums_of_calls(limit: Limit, calls: Iterable[Kept]) -> dict[Scope, int]:
    """The same from single calls: by the model that was asked for, and any tag."""
    found: dict[Scope, int] = {}
    for kept in calls:
        call = kept.call
        model = call.request_model or ""
        if limit.binds(call.provider, model, call.operation, call.tags):
            values = {**call.tags, "provider": call.provider, "model": model}
            scope = tuple(values.get(name, "") for name in limit.per)
            usage = call.usage
            totals = Totals(
                calls=1, input_tokens=usage.input_tokens or 0, output_tokens=usage.output_tokens or 0,
                nano_usd=kept.nano_usd or 0,
            )  # fmt: skip
            found[scope] = found.get(scope, 0) + _MEASURED[limit.measure](totals)
    return found


def dimensions_of(limit: Limit) -> tuple[Dimension, ...] | None:
    """What the ledger's sums are to be told apart by for a limit; `None` where they cannot be."""
    asked = {*limit.per, *(name for match in (limit.match, *limit.exempt) for name in _asked(match))}
    # The ledger's model is the one that answered.
    return tuple(name for name in DIMENSIONS if name in asked) if asked <= {*DIMENSIONS} - {"model"} else None


def _asked(match: Match) -> set[str]:
    fields = {"provider": match.provider, "model": match.model, "operation": match.operation}
    return {name for name, globs in fields.items() if globs} | set(match.tags)


_MEASURED: Mapping[str, Callable[[Totals], int]] = {
    "requests": lambda totals: totals.calls,
    "tokens": lambda totals: totals.input_tokens + totals.output_tokens,
    "input_tokens": lambda totals: totals.input_tokens,
    "output_tokens": lambda totals: totals.output_tokens,
    "usd": lambda totals: totals.nano_usd,
    "concurrency": lambda totals: 0,
}
