"""Calls as CSV, and as JSON lines. Amounts are written out in full; what is unknown is empty, or null."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

from tollkeeper.sidecar.api.answer import write
from tollkeeper.sidecar.cells import cell
from tollkeeper.sidecar.export.columns import COLUMNS
from tollkeeper.storage.ledger import Kept


def write_csv(calls: Iterable[Kept], file: TextIO) -> int:
    """Returns how many. Texts that a spreadsheet would run as a formula begin with an apostrophe."""
    writer = csv.writer(file)
    writer.writerow(column.name for column in COLUMNS)
    number = 0
    for kept in calls:
        writer.writerow([cell(column.of(kept)) for column in COLUMNS])
        number += 1
    return number


def write_json_lines(calls: Iterable[Kept], file: TextIO) -> int:
    """Returns how many. One object a line; amounts are numbers with all of their digits."""
    number = 0
    for kept in calls:
        file.write(write({column.name: column.of(kept) for column in COLUMNS}))
        file.write("\n")
        number += 1
    return number
