"""Calls as Parquet, some thousands at a time. Needs pyarrow: the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tollkeeper.sidecar.export.columns import COLUMNS, Kind
from tollkeeper.storage.ledger import Kept

ROWS_IN_A_GROUP = 20_000
"""So many are in memory at once."""

TYPES: dict[Kind, Any] = {
    "text": pa.string(),
    "moment": pa.timestamp("us", tz="UTC"),
    "count": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "usd": pa.decimal128(38, 9),
}
SCHEMA = pa.schema([pa.field(column.name, TYPES[column.kind]) for column in COLUMNS])


def write_parquet(calls: Iterable[Kept], path: Path, rows_in_a_group: int = ROWS_IN_A_GROUP) -> int:
    """Returns how many. A file without calls has the columns, too."""
    number, left = 0, iter(calls)
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        while True:
            # Column by column as they come: the calls themselves take several times as much memory.
            columns: list[list[Any]] = [[] for _ in COLUMNS]
            for kept in islice(left, rows_in_a_group):
                for column, values in zip(COLUMNS, columns, strict=True):
                    values.append(_clean(column.of(kept)))
            if not columns[0]:
                break
            arrays = [
                pa.array(values, TYPES[column.kind]) for column, values in zip(COLUMNS, columns, strict=True)
            ]  # fmt: skip
            writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
            number += len(columns[0])
    return number


def _clean(value: Any) -> Any:
    """Half of a surrogate pair, which no UTF-8 can hold, becomes a question mark."""
    return value.encode(errors="replace").decode() if isinstance(value, str) and not value.isascii() else value
