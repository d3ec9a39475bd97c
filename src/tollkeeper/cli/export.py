"""`tollkeeper export FORMAT`: the calls of the ledger as a file, for other programs. Without a sidecar."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from tollkeeper.cli.connection import DIMENSIONS, add_filters, run
from tollkeeper.cli.opening import opened
from tollkeeper.config import SERVE_DEFAULTS
from tollkeeper.sidecar.api.problems import Refused
from tollkeeper.sidecar.api.zones import Range, read_range
from tollkeeper.sidecar.export.text import write_csv, write_json_lines
from tollkeeper.storage.ledger import Kept
from tollkeeper.storage.ledger.contract import Dimension
from tollkeeper.storage.ledger.sql import SqlLedger

FORMATS = ("parquet", "csv", "jsonl")
TEXTS: dict[str, Callable[[Iterable[Kept], TextIO], int]] = {"csv": write_csv, "jsonl": write_json_lines}

_DAYS = re.compile(r"(\d{1,4})d")


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper export", description=__doc__)
    flags.add_argument("format", choices=FORMATS, metavar="FORMAT", help=", ".join(FORMATS))
    flags.add_argument(
        "--since", default="30d", metavar="WHEN", help="30d, or a day or a moment (default: %(default)s)"
    )
    flags.add_argument("--until", metavar="WHEN", help="a day, which is included, or a moment, which is not")
    flags.add_argument("--zone", default="UTC", help="whose days these are (default: %(default)s)")
    flags.add_argument("--out", metavar="FILE", help="-: standard output, but for parquet (default: calls.FORMAT)")
    flags.add_argument("--ledger", metavar="URL", default=SERVE_DEFAULTS.ledger, help="default: %(default)s")
    add_filters(flags)
    flags.set_defaults(do=_do)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("export", parser(), arguments)


def _do(options: argparse.Namespace) -> int:
    when = _range(options)
    database = opened(options.ledger)
    calls = SqlLedger(database).select_calls(when.start_ns, when.end_ns, _filters(options))
    if options.out == "-":
        if options.format == "parquet":
            raise ValueError("a Parquet file cannot go to standard output; name it with --out")
        number = TEXTS[options.format](calls, sys.stdout)
    else:
        path = Path(options.out or f"calls.{options.format}")
        number = _write(options.format, calls, path)
        print(f"{number:,} calls are in {path}")
    database.close()
    return 0


def _write(format: str, calls: Iterable[Kept], path: Path) -> int:
    with _in_place(path) as beside:
        if format == "parquet":
            try:
                from tollkeeper.sidecar.export.parquet import write_parquet  # noqa: PLC0415  an extra, and 100 ms
            except ModuleNotFoundError as missing:
                raise ValueError(f"Parquet needs {missing.name}: pip install 'tollkeeper[parquet]'") from None
            return write_parquet(calls, beside)
        with beside.open("w", encoding="utf-8", errors="replace", newline="") as file:
            return TEXTS[format](calls, file)


@contextmanager
def _in_place(path: Path) -> Iterator[Path]:
    """Where to write until all is there: who reads the file sees a whole one, or the one before."""
    beside = path.with_name(f".{path.name}.part")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        raise ValueError(f"{error.filename or path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _range(options: argparse.Namespace) -> Range:
    days = _DAYS.fullmatch(options.since)
    try:
        return read_range(
            None if days else options.since, options.until, int(days[1]) if days else None, options.zone,
            datetime.now(UTC),
        )  # fmt: skip
    except Refused as refused:
        raise ValueError(str(refused)) from None


def _filters(options: argparse.Namespace) -> dict[Dimension, tuple[str, ...]]:
    return {name: tuple(wanted) for name in DIMENSIONS if (wanted := getattr(options, name))}  # type: ignore[misc]
