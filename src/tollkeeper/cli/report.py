"""`tollkeeper report KIND`: what people read: costs by day, how providers do, budgets, a tenant's statement …"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tollkeeper.cli.connection import DIMENSIONS, add_connection, add_filters, answer, given, run
from tollkeeper.cli.tables import table
from tollkeeper.client import Client
from tollkeeper.client import reporting as asks

FORMATS = ("html", "pdf", "csv", "json", "focus")
SUFFIXES = {".html": "html", ".htm": "html", ".pdf": "pdf", ".csv": "csv", ".json": "json"}
ASKED = ("table", "focus_version", "month", "start", "end", "days", "zone")
SECONDS = 600.0
"""A year of charges, or a PDF of many pages, takes its time."""


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper report", description=__doc__)
    flags.add_argument("kind", nargs="?", help="which; without one, they are listed")
    flags.add_argument(
        "--format", choices=FORMATS,
        help="default: as the file's name ends, else html; focus: charges, as the FOCUS specification has them",
    )  # fmt: skip
    flags.add_argument("-o", "--output", metavar="FILE", help="where to; default: standard output, but for a PDF")
    flags.add_argument("--table", metavar="NAME", help="of csv: which table; default: the first")
    flags.add_argument("--focus-version", choices=("1.4", "1.2"), help="of focus: which specification (default: 1.4)")
    flags.add_argument("--month", metavar="YYYY-MM", help="a whole month")
    flags.add_argument("--since", metavar="WHEN", dest="start", help="a day or a moment, such as 2026-01-31")
    flags.add_argument(
        "--until", metavar="WHEN", dest="end", help="a day, which is included, or a moment, which is not"
    )
    flags.add_argument("--days", type=int, help="the last so many days, today included (default: 30)")
    flags.add_argument("--zone", help="whose days these are, such as Europe/Berlin (default: UTC)")
    add_filters(flags)
    add_connection(flags)
    flags.set_defaults(do=_do)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("report", parser(), arguments)


def _do(options: argparse.Namespace) -> int:
    if options.kind is None:
        return answer(options, asks.reports(), _show_kinds)
    format = _format(options)
    if format == "pdf" and options.output is None and sys.stdout.isatty():
        raise ValueError("a PDF is not for a terminal; say where to: -o report.pdf")
    asked: Mapping[str, Any] = given(
        options, "table", "focus_version", "month", "start", "end", "days", "zone", *DIMENSIONS
    )
    ask = asks.report_file(options.kind, format, **asked)
    with Client(options.url, options.key, SECONDS) as client:
        if options.output is None:
            headers = client.save(ask, sys.stdout.buffer)
        else:
            headers = _save(client, ask, Path(options.output))
    if told := headers.get("x-tollkeeper-left-out"):
        print(f"tollkeeper report: {told}", file=sys.stderr)
    return 0


def _format(options: argparse.Namespace) -> Any:
    if options.format is None and options.json:
        return "json"
    return options.format or SUFFIXES.get(Path(options.output or "").suffix.lower(), "html")


def _save(client: Client, ask: Any, path: Path) -> Mapping[str, str]:
    """The file is there whole, or it is as it was. Raises `ValueError` where it cannot be written."""
    try:
        return _in_place(client, ask, path)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error


def _in_place(client: Client, ask: Any, path: Path) -> Mapping[str, str]:
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            headers = client.save(ask, file)
        Path(unfinished).chmod(0o666 & ~_umask())
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    return headers


def _umask() -> int:
    known = os.umask(0)
    os.umask(known)
    return known


def _show_kinds(screen: Console, found: asks.KindsOfReports) -> None:
    rows = [(one.name, one.meaning, ", ".join(one.formats)) for one in found.reports]
    screen.print(table(("Kind", "What it tells", "Formats"), rows))
