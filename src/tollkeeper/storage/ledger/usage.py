"""Sums for a question: whole days and hours come from the rollups, and what is left at the edges from the calls."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Table

from tollkeeper.storage.ledger.calendar import Span, intervals
from tollkeeper.storage.ledger.contract import DIMENSIONS, Dimension, Totals, UsageQuery, UsageRow
from tollkeeper.storage.ledger.store import TOTALS, pruned_before
from tollkeeper.storage.ledger.tables import DAILY, DAILY_BROAD, HOURLY, HOURLY_BROAD, NS_A_DAY, NS_AN_HOUR

LATEST = 2**63 - 1

Found = dict[tuple[int | None, tuple[str, ...]], list[int]]
"""(bucket, group) -> sums."""
Values = list[object]


class Parts(NamedTuple):
    """A range, taken apart: hours and days are counted from the epoch, moments are nanoseconds."""

    days: list[Span]
    hours: list[Span]
    moments: list[Span]


def usage(connection: Connection, query: UsageQuery, is_sqlite: bool) -> list[UsageRow]:
    """Answer a question. Raises `ValueError` for a zone or a dimension that there is not."""
    for name in (*query.group_by, *query.filters):
        if name not in DIMENSIONS:
            raise ValueError(f"{name!r} is no dimension; there are {', '.join(DIMENSIONS)}")
    start, end = _with_data(connection, max(query.start, 0), min(query.end, LATEST))
    spans = (
        intervals(start, end, query.interval, query.zone)
        if query.interval
        else [Span(None, start, end)] * (start < end)
    )
    parts = take_apart(spans, pruned_before(connection))
    broad = "user" not in query.group_by and "user" not in query.filters
    asked = Asked(query.group_by, query.filters, is_sqlite)
    found: Found = {}
    for table, part in (
        (DAILY_BROAD if broad else DAILY, parts.days),
        (HOURLY_BROAD if broad else HOURLY, parts.hours),
    ):
        if part:
            gather(found, asked.rows(connection, *asked.rollup(table, part)))
    if parts.moments:
        gather(found, asked.rows(connection, *asked.calls(parts.moments)))
        gather(found, asked.rows(connection, *asked.adjustments(parts.moments)))
    return [
        UsageRow(bucket, group, Totals(*sums))
        for (bucket, group), sums in sorted(found.items(), key=lambda item: (item[0][0] or 0, item[0][1]))
        if any(sums)
    ]


def take_apart(spans: Iterable[Span], horizon: int) -> Parts:
    """Whole days, then whole hours, then what is left; neighbours in one interval become one span.

    An hour whose calls were deleted cannot be divided: all of it belongs to the interval in which it begins.
    """
    parts = Parts([], [], [])
    for bucket, start, end in spans:
        start, end = (_undivided(moment, horizon) for moment in (start, end))
        first, last = -(-start // NS_AN_HOUR), end // NS_AN_HOUR
        if first >= last:
            _put(parts.moments, bucket, start, min(end, first * NS_AN_HOUR))
            _put(parts.moments, bucket, max(start, min(end, first * NS_AN_HOUR)), end)
            continue
        _put(parts.moments, bucket, start, first * NS_AN_HOUR)
        _put(parts.moments, bucket, last * NS_AN_HOUR, end)
        morning, night = -(-first // 24), last // 24
        if morning >= night:
            _put(parts.hours, bucket, first, last)
            continue
        _put(parts.hours, bucket, first, morning * 24)
        _put(parts.days, bucket, morning, night)
        _put(parts.hours, bucket, night * 24, last)
    return parts


def _undivided(moment: int, horizon: int) -> int:
    hour = moment // NS_AN_HOUR * NS_AN_HOUR
    return moment if hour == moment or hour >= horizon else hour + NS_AN_HOUR


def _put(into: list[Span], bucket: int | None, start: int, end: int) -> None:
    if start < end:
        into.append(Span(bucket, start, end))


def _with_data(connection: Connection, start: int, end: int) -> tuple[int, int]:
    """The range without the time before the first call and after the last one."""
    row = connection.exec_driver_sql(
        f"SELECT (SELECT min(bucket) FROM {DAILY_BROAD.name}), (SELECT max(bucket) FROM {DAILY_BROAD.name})"
    ).one()
    if row[0] is None:
        return 0, 0
    return max(start, row[0] * NS_A_DAY), min(end, (row[1] + 1) * NS_A_DAY)


def gather(found: Found, rows: Iterable[tuple[int | None, tuple[str, ...], Sequence[int]]]) -> None:
    for bucket, group, sums in rows:
        known = found.get((bucket, group))
        values = [int(value or 0) for value in sums]
        found[bucket, group] = values if known is None else [a + b for a, b in zip(known, values, strict=True)]


class Asked:
    """The parts of a statement that follow from groups and filters."""

    def __init__(
        self, group_by: tuple[Dimension, ...], filters: Mapping[Dimension, tuple[str, ...]], is_sqlite: bool
    ) -> None:
        self._groups = [f'd."{name}"' for name in group_by]
        self._filters = filters
        self._is_sqlite = is_sqlite
        self._mark = "?" if is_sqlite else "%s"

    def rollup(self, table: Table, spans: Sequence[Span]) -> tuple[str, Values]:
        """Sums of a rollup over spans of its buckets."""
        values: Values = []
        spanned, span_end = self._spans(spans, values)
        joined = (
            f"{spanned} CROSS JOIN {table.name} r"
            if self._is_sqlite
            else f"{spanned} JOIN {table.name} r ON r.bucket >= s.start AND r.bucket < s.finish"
        )
        where = "r.bucket >= s.start AND r.bucket < s.finish" if self._is_sqlite else "true"
        if self._groups or self._filters:
            joined += " JOIN dimensions d ON d.id = r.dimension"
        where += self._where(values)
        sums = ", ".join(f"sum(r.{name})" for name in TOTALS)
        return self._select(sums, f"{joined} WHERE {where}", span_end), values

    def calls(self, spans: Sequence[Span]) -> tuple[str, Values]:
        """Sums of calls over spans of moments."""
        values: Values = []
        spanned, span_end = self._spans(spans, values)
        whole = "CAST(d.duration * 1e9 AS INTEGER)" if self._is_sqlite else "trunc(d.duration * 1e9)::bigint"
        sums = (
            "count(*), count(d.error_type), "
            "sum(CASE WHEN d.error_type IS NULL AND d.usage_source = 'unknown' THEN 1 ELSE 0 END), "
            "sum(CASE WHEN d.price_status = 'unpriced' THEN 1 ELSE 0 END), sum(d.input_tokens), "
            "sum(d.output_tokens), sum(d.cache_read_tokens), sum(d.cache_write_tokens), sum(d.reasoning_tokens), "
            f"sum(d.nano_usd), sum({whole})"
        )
        return self._of_calls(spanned, span_end, sums, "calls d ON", "d", values)

    def adjustments(self, spans: Sequence[Span]) -> tuple[str, Values]:
        """Sums of the adjustments of those calls."""
        values: Values = []
        spanned, span_end = self._spans(spans, values)
        sums = ", ".join(
            {"nano_usd": "sum(a.delta_nano_usd)", "unpriced": "sum(a.delta_unpriced)"}.get(name, "0") for name in TOTALS
        )
        joined = "adjustments a ON"
        return self._of_calls(spanned, span_end, sums, joined, "a", values)

    def _of_calls(
        self, spanned: str, span_end: str, sums: str, joined: str, of: str, values: Values
    ) -> tuple[str, Values]:
        table = f"{spanned} CROSS JOIN {joined.removesuffix(' ON')}" if self._is_sqlite else f"{spanned} JOIN {joined}"
        within = f"{of}.started_at >= s.start AND {of}.started_at < s.finish"
        table += "" if self._is_sqlite else f" {within}"
        if of == "a":
            table += " JOIN calls d ON d.id = a.id AND d.attempt = a.attempt"
        counted = "NOT EXISTS (SELECT 1 FROM retractions x WHERE x.id = d.id AND x.attempt = d.attempt)"
        where = f"{counted} AND {within}{self._where(values)}"
        return self._select(sums, f"{table} WHERE {where}", span_end), values

    def _spans(self, spans: Sequence[Span], values: Values) -> tuple[str, str]:
        """The spans as a table `s`, and how to group by their buckets."""
        if self._is_sqlite:
            values.append(json.dumps([list(span) for span in spans]))
            table = (
                "(SELECT json_extract(value, '$[0]') AS bucket, json_extract(value, '$[1]') AS start, "
                "json_extract(value, '$[2]') AS finish FROM json_each(?)) s"
            )
        else:
            values.extend([list(column) for column in zip(*spans, strict=True)])
            table = "unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS s(bucket, start, finish)"
        return table, "s.bucket"

    def _where(self, values: Values) -> str:
        text = ""
        for name, wanted in self._filters.items():
            values.extend(wanted)
            marks = ", ".join([self._mark] * len(wanted)) or "NULL"
            text += f" AND coalesce(d.\"{name}\", '') IN ({marks})"
        return text

    def _select(self, sums: str, rest: str, bucket: str) -> str:
        groups = [f"coalesce({name}, '')" for name in self._groups]
        heads = ", ".join([bucket, *groups])
        return f"SELECT {heads}, {sums} FROM {rest} GROUP BY {heads}"

    def rows(
        self, connection: Connection, statement: str, values: Values
    ) -> Iterable[tuple[int | None, tuple[str, ...], Sequence[int]]]:
        """Run it: bucket, group, sums."""
        width = 1 + len(self._groups)
        for row in connection.exec_driver_sql(statement, tuple(values)):
            yield row[0], tuple(row[1:width]), tuple(row[width:])
