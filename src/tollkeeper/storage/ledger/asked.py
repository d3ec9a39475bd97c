"""The statements that sum rollups and calls, by groups and filters, over spans."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, Table

from tollkeeper.model.calendar import Span
from tollkeeper.storage.ledger.clean import clean
from tollkeeper.storage.ledger.contract import Dimension
from tollkeeper.storage.ledger.rollups import Correction
from tollkeeper.storage.ledger.store import TOTALS

Values = list[object]


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

    def dimensions(self, connection: Connection, broad: bool) -> list[int]:
        """The ids of the dimensions that the filters let through."""
        values: Values = []
        where = self._where(values)
        nobody = " AND d.\"user\" = ''" if broad else ""
        statement = f"SELECT d.id FROM dimensions d WHERE true{nobody}{where}"
        return sorted(row[0] for row in connection.exec_driver_sql(statement, tuple(values)))

    def rollup_of(self, table: Table, spans: Sequence[Span], ids: Sequence[int]) -> tuple[str, Values]:
        """Sums of a rollup for a few dimensions: each row is looked up by its key."""
        values: Values = []
        each = [Span(bucket, one, one + 1) for bucket, start, end in spans for one in range(start, end)]
        spanned, bucket = self._spans(each, values)
        if self._is_sqlite:
            values.append(json.dumps(list(ids)))
            joined = f"{spanned} CROSS JOIN json_each(?) i CROSS JOIN {table.name} r"
        else:
            values.append(list(ids))
            joined = f"{spanned} CROSS JOIN unnest(%s::bigint[]) AS i(value) CROSS JOIN {table.name} r"
        if self._groups:
            joined += " JOIN dimensions d ON d.id = r.dimension"
        sums = ", ".join(f"sum(r.{name})" for name in TOTALS)
        return self._select(sums, f"{joined} WHERE r.bucket = s.start AND r.dimension = i.value", bucket), values

    def calls(self, spans: Sequence[Span]) -> tuple[str, Values]:
        """Sums of calls over spans of moments."""
        values: Values = []
        spanned, span_end = self._spans(spans, values)
        whole = "CAST(d.duration * 1e9 AS INTEGER)" if self._is_sqlite else "trunc(d.duration * 1e9)::bigint"
        sums = (
            "count(*), count(d.error_type), "
            "sum(CASE WHEN d.error_type IS NULL AND d.usage_source = 'unknown' THEN 1 ELSE 0 END), "
            "sum(CASE WHEN d.price_status = 'unpriced' AND d.usage_source <> 'unknown' THEN 1 ELSE 0 END), "
            "sum(d.input_tokens), "
            "sum(d.output_tokens), sum(d.cache_read_tokens), sum(d.cache_write_tokens), sum(d.reasoning_tokens), "
            f"sum(d.nano_usd), count(d.nano_usd), sum({whole}), count(d.duration)"
        )
        return self._of_calls(spanned, span_end, sums, "calls d ON", "d", values)

    def adjustments(self, spans: Sequence[Span]) -> tuple[str, Values]:
        """Sums of the adjustments of those calls."""
        values: Values = []
        spanned, span_end = self._spans(spans, values)
        corrected = {name.removeprefix("delta_"): f"sum(a.{name})" for name in Correction._fields}
        sums = ", ".join(corrected.get(name, "0") for name in TOTALS)
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
            values.extend(clean(value) for value in wanted)
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
