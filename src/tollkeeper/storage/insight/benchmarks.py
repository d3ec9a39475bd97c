"""What people expect of providers: in the database, audited. It is empty until somebody sets one."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, cast

from sqlalchemy import Row, delete, insert, select

from tollkeeper.insight.comparison import Benchmark, Measure
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.tables import BENCHMARKS
from tollkeeper.storage.ledger.failures import told_apart

KIND = "benchmark"


class Kept(NamedTuple):
    """A benchmark, and who set it when, in nanoseconds since the epoch."""

    benchmark: Benchmark
    changed_at: int
    author: str


class Benchmarks:
    """Of one database. All of it raises `LedgerUnavailable` while that cannot be used."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)

    def all(self) -> list[Kept]:
        """By provider, model and measure."""
        order = (BENCHMARKS.c.provider, BENCHMARKS.c.model, BENCHMARKS.c.metric)
        with told_apart(self._database), self._database.read() as connection:
            return [_kept(row) for row in connection.execute(select(BENCHMARKS).order_by(*order))]

    def set(self, benchmark: Benchmark, *, author: str, reason: str) -> Kept:
        """Put one in place of what was expected before."""
        kept = Kept(benchmark, self._clock(), author)
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            where = _of(benchmark.provider, benchmark.model, benchmark.measure)
            row = connection.execute(select(BENCHMARKS).where(where)).one_or_none()
            connection.execute(delete(BENCHMARKS).where(where))
            values = {
                "provider": benchmark.provider,
                "model": benchmark.model,
                "metric": benchmark.measure,
                "value": format(benchmark.value, "f"),
                "source": benchmark.source,
                "changed_at": kept.changed_at,
                "author": author,
            }
            connection.execute(insert(BENCHMARKS), values)
            self._audit.record(
                connection, author=author, action="create" if row is None else "change", kind=KIND,
                object_id=_name(benchmark), before=None if row is None else _shown(_kept(row).benchmark),
                after=_shown(benchmark), reason=reason,
            )  # fmt: skip
        return kept

    def remove(self, provider: str, model: str, measure: Measure, *, author: str, reason: str) -> Kept | None:
        """Expect nothing of it any more. `None`: nobody did."""
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            where = _of(provider, model, measure)
            row = connection.execute(select(BENCHMARKS).where(where)).one_or_none()
            if row is None:
                return None
            connection.execute(delete(BENCHMARKS).where(where))
            kept = _kept(row)
            self._audit.record(
                connection, author=author, action="remove", kind=KIND, object_id=_name(kept.benchmark),
                before=_shown(kept.benchmark), reason=reason,
            )  # fmt: skip
            return kept


def _of(provider: str, model: str, measure: Measure) -> Any:
    return (
        (BENCHMARKS.c.provider == provider) & (BENCHMARKS.c.model == model) & (BENCHMARKS.c.metric == measure)
    )  # fmt: skip


def _kept(row: Row[Any]) -> Kept:
    measure = cast("Measure", row.metric)
    return Kept(Benchmark(row.provider, row.model, measure, Decimal(row.value), row.source), row.changed_at, row.author)


def _name(benchmark: Benchmark) -> str:
    return "/".join(filter(None, (benchmark.provider, benchmark.model, benchmark.measure)))


def _shown(benchmark: Benchmark) -> dict[str, str]:
    return {"value": format(benchmark.value, "f"), "source": benchmark.source}
