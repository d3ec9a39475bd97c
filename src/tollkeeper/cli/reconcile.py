"""`tollkeeper reconcile …`: whether the ledger agrees with what providers bill, and why not."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.connection import add_range, add_verb, answer, given, run
from tollkeeper.cli.tables import count, dollars, table, when
from tollkeeper.client import reconciling as asks
from tollkeeper.client.ask import Ask
from tollkeeper.client.reconciling import Adjusted, CauseKind, ComparedDay, ReadInvoice, Reconciliations

FETCH_SECONDS = 900.0
IMPORT_SECONDS = 300.0
MAPPING = """\
Columns are NAME=COLUMN: provider (the ledger's name of it, no column) and day are needed; model, amount, currency,
prompt (all input), input (what no cache had), cache_read, cache_write, output, tokens, requests, project, key, tier,
label. Further source=NAME, day_format=%m/%d/%Y, zone=Europe/Berlin, cents=true, decimal_comma=true."""


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper reconcile", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    show = add_verb(verbs, "show", "what differs, and why; without a verb, this is meant", _show)
    show.add_argument("--provider", action="append", default=[], metavar="NAME", help="only this one; several times")
    show.add_argument("--model", action="append", default=[], metavar="NAME", help="only this one; several times")
    show.add_argument("--all", action="store_true", help="also the days that agree")
    show.add_argument("--status", choices=("settled", "open"))
    add_range(show)
    add_verb(verbs, "fetch", "ask the accounts of the sidecar's for their figures now", _fetch)
    bring = add_verb(verbs, "import", "an export of a provider's console; shown first, and kept with --apply", _import)
    bring.add_argument("file", type=Path)
    bring.add_argument("--form", help="openai-costs, anthropic-cost, …; told by its columns, if it is not given")
    bring.add_argument("--map", action="append", default=[], metavar="NAME=COLUMN", help="of other files; see below")
    bring.add_argument("--apply", action="store_true", help="import it; without this, it is only shown")
    bring.add_argument("--reason", help="why, for the audit trail; needed with --apply")
    bring.epilog = MAPPING
    book = add_verb(verbs, "adjust", "book what an invoice says: shown first, and written with --apply", _adjust)
    book.add_argument("provider")
    book.add_argument("--model", action="append", default=[], metavar="NAME", help="only of this one; several times")
    book.add_argument("--cause", action="append", default=[], choices=get_args(CauseKind), metavar="CAUSE")
    book.add_argument("--apply", action="store_true", help="write it; needs --plan and --reason")
    book.add_argument("--plan", help="the one that was shown")
    book.add_argument("--reason", help="why, for the audit trail")
    add_range(book)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("reconcile", parser(), arguments, meant="show")


def _show(options: argparse.Namespace) -> int:
    asked = given(options, "days", "start", "end", "provider", "model", "status")
    return answer(options, asks.reconciliations(differing=None if options.all else True, **asked), _print_all)


def _fetch(options: argparse.Namespace) -> int:
    return answer(options, asks.fetch_invoices(), _print_all, FETCH_SECONDS)


def _import(options: argparse.Namespace) -> int:
    ask = _upload(options)
    return answer(options, ask, _print_read, IMPORT_SECONDS)


def _upload(options: argparse.Namespace) -> Ask[ReadInvoice]:
    try:
        content = options.file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{options.file}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    return asks.import_invoice(
        content, name=options.file.name, mapping=_mapping(options.map) or None, apply=options.apply,
        **given(options, "form", "reason"),
    )  # fmt: skip


def _mapping(said: Sequence[str]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for text in said:
        name, separator, column = text.partition("=")
        if not name or not separator:
            raise ValueError(f"{text!r} is no part of a mapping; expected NAME=COLUMN, such as amount=Cost")
        found[name] = column.lower() == "true" if name in ("cents", "decimal_comma") else column
    return found


def _adjust(options: argparse.Namespace) -> int:
    said = given(options, "days", "start", "end", "model", "cause", "apply", "plan", "reason")
    return answer(options, asks.adjust_to_invoice(options.provider, **said), _print_adjusted, IMPORT_SECONDS)


def _print_all(screen: Console, found: Reconciliations) -> None:
    if found.evaluated_at is None:
        screen.print("Nothing was compared yet: configure accounts (`invoices`), or import an export.")
        return
    for account in found.accounts:
        if account.error is not None:
            screen.print(Text(f"{account.name}: no figures since {when(account.asked_at)}: {account.error}", "red"))
    rows = [
        (one.provider, dollars(one.ledger_cost), dollars(one.invoice_cost), dollars(one.difference),
         _rate(one.capture_rate), str(one.differing_days),
         ", ".join(f"{cause.kind} {_signed(cause.amount)}" for cause in one.causes[:3]))
        for one in found.providers
    ]  # fmt: skip
    columns = ("Provider", "Ledger", "Invoice", "Difference", "Captured", "Differing", "Of settled days, by")
    screen.print(table(columns, rows, right=columns[1:6]) if rows else "No provider has told anything.")
    if found.days:
        _print_days(screen, found.days)
    screen.print(f"Compared at {when(found.evaluated_at)}.")


def _print_days(screen: Console, days: Sequence[ComparedDay]) -> None:
    rows = [
        (str(one.day), one.provider, one.model or "-", dollars(one.ledger.cost), dollars(one.invoice.cost),
         "" if one.difference is None else _signed(one.difference),
         "" if one.difference_tokens is None else f"{one.difference_tokens:+,}", _why(one))
        for one in days
    ]  # fmt: skip
    columns = ("Day", "Provider", "Model", "Ledger", "Invoice", "Difference", "Tokens", "Why")
    screen.print(table(columns, rows, right=columns[3:7]))


def _why(day: ComparedDay) -> str:
    if not day.causes:
        return ""
    first = day.causes[0]
    told = ", ".join(f"{name} {_evidence(value)}" for name, value in list(first.evidence.items())[:3])
    others = f"; also {', '.join(cause.kind for cause in day.causes[1:])}" if day.causes[1:] else ""
    return f"{first.kind}: {told}{others}"


def _evidence(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def _signed(amount: Decimal) -> str:
    return ("+" if amount > 0 else "") + dollars(amount).plain


def _rate(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{ratio:.2%}"


def _print_read(screen: Console, read: ReadInvoice) -> None:
    days = f"{read.first_day} to {read.last_day}"
    screen.print(f"{read.form}: {read.rows:,} rows, {read.lines:,} lines of {', '.join(read.providers)}, {days}")
    screen.print(f"models: {', '.join(read.models) or 'none'}")
    screen.print(Text.assemble("amount: ", dollars(read.amount), f", tokens: {count(read.tokens)}"))
    done = "Imported" if read.imported else "Importing it would keep"
    told = f"{done}: {read.new:,} new, {read.changed:,} changed, {read.unchanged:,} unchanged."
    screen.print(Text(told, "green" if read.imported else ""))
    if not read.imported:
        screen.print("Nothing was kept: --apply --reason WHY imports it.")


def _print_adjusted(screen: Console, done: Adjusted) -> None:
    rows = [
        (str(one.day), one.model or "all models", f"{one.calls:,}", dollars(one.old_cost), dollars(one.new_cost),
         _signed(one.amount), ", ".join(one.causes))
        for one in done.days
    ]  # fmt: skip
    columns = ("Day", "Model", "Calls", "Cost", "Becomes", "Difference", "For")
    screen.print(table(columns, rows, right=columns[2:6]) if rows else "There is nothing to book.")
    for one in done.left:
        amount = "" if one.amount is None else f" {_signed(one.amount)}"
        screen.print(Text(f"not booked: {one.day} {one.model or '-'} {one.cause}{amount}: {one.why}", "yellow"))
    if done.applied:
        screen.print(Text(f"Booked: {done.adjusted_calls:,} calls cost {_signed(done.amount)} in all.", "green"))
    elif rows:
        screen.print(f"Nothing was booked: --apply --plan {done.plan} --reason WHY does it.")
