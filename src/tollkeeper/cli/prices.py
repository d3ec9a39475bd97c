"""`tollkeeper prices …`: one's own prices, aliases and discounts, and what follows from them for the past."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.connection import add_filters, add_range, add_verb, answer, given, narrowed, run
from tollkeeper.cli.tables import count, dollars, table, when
from tollkeeper.client import administration as asks
from tollkeeper.client.records import EffectivePrice, Price, PriceChange, PriceHistory, PriceList, Repriced, Unpriced

NAMES = ("provider", "model", "tenant")
FIELDS = """\
Fields are NAME=VALUE: input, output, cache_read, cache_write, reasoning, … in US dollars per million tokens;
per_request, per_image, per_second, per_search, per_1k_characters; free=true; context.service_tier=flex; for an
alias is=MODEL and is_provider=PROVIDER; for a discount percent=12.5 and tenant=NAME. provider and model may be
globs. NAME= takes a field away."""


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper prices", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    _add_listing(verbs)
    _add_changing(verbs)
    again = add_verb(verbs, "reprice", "what a past period costs by the prices as they are now", _reprice)
    add_range(again)
    add_filters(again)
    again.add_argument("--apply", action="store_true", help="correct it; without this, it is only shown")
    again.add_argument("--plan", help="apply only if this still is the plan")
    again.add_argument("--reason", help="why, for the audit trail; needed with --apply")
    return flags


def _add_listing(verbs: Any) -> None:
    rows = add_verb(verbs, "list", "the rows that hold now, or will", _list)
    rows.add_argument("search", nargs="?", help="a part of a name")
    rows.add_argument("--kind", choices=("price", "alias", "discount"))
    rows.add_argument("--at", metavar="WHEN", help="as it holds then")
    rows.add_argument("--known-at", metavar="WHEN", help="as far as was known then")
    history = add_verb(verbs, "history", "everything that was ever said, newest first", _history)
    history.add_argument("row", nargs="?", type=int, help="of this row")
    history.add_argument("--limit", type=int, default=50)
    history.add_argument("--cursor", help="where the page before ended")
    effective = add_verb(verbs, "effective", "what a model costs, and who says so", _effective)
    effective.add_argument("provider", help="as calls name it, such as openai")
    effective.add_argument("model", help="as calls name it")
    effective.add_argument("--tenant", help="with the discounts of this one")
    effective.add_argument("--at", metavar="WHEN", help="then, not now")
    effective.add_argument("--address", help="of the host that serves it: one's own may cost nothing")
    effective.add_argument("--context", action="append", default=[], metavar="NAME=VALUE", help="service_tier=flex, …")
    unpriced = add_verb(verbs, "unpriced", "models that were called and have no price", _unpriced)
    add_range(unpriced)
    for shown in (rows, history):
        for name in NAMES:
            shown.add_argument(f"--{name}")


def _add_changing(verbs: Any) -> None:
    add = add_verb(verbs, "add", "a new row", _add)
    add.add_argument("--kind", choices=("price", "alias", "discount"), default="price")
    change = add_verb(verbs, "change", "a row, from now on", _change)
    schedule = add_verb(verbs, "schedule", "a change of a row that is yet to come", _schedule)
    withdraw = add_verb(verbs, "withdraw", "a row", _withdraw)
    cancel = add_verb(verbs, "cancel", "a scheduled change, by its version", _cancel)
    for one in (change, schedule, withdraw):
        one.add_argument("row", type=int, help="its number, as `prices list` shows it")
    for one in (change, schedule):
        one.add_argument("--expected", type=int, metavar="VERSION", help="only if it is still at this version")
    cancel.add_argument("version", type=int)
    for one in (add, change, schedule):
        one.add_argument("fields", nargs="+", metavar="NAME=VALUE", help="see below")
        one.add_argument("--from", dest="valid_from", metavar="WHEN", required=one is schedule)
        one.add_argument("--to", dest="valid_to", metavar="WHEN", help="a day, included, or a moment, not included")
        one.epilog = FIELDS
    withdraw.add_argument("--at", metavar="WHEN", help="then, not now")
    for one in (add, change, schedule, withdraw, cancel):
        one.add_argument("--reason", required=True, help="why, for the audit trail")
        one.add_argument("--source", help="where it was found, such as a URL")


def main(arguments: Sequence[str] | None = None) -> int:
    return run("prices", parser(), arguments)


def _list(options: argparse.Namespace) -> int:
    ask = asks.prices(**given(options, "kind", "search", "at", "known_at", *NAMES))
    return answer(options, ask, _show_list)


def _history(options: argparse.Namespace) -> int:
    return answer(options, asks.price_history(**given(options, "row", "limit", "cursor", *NAMES)), _show_history)


def _effective(options: argparse.Namespace) -> int:
    ask = asks.effective_price(
        options.provider, options.model, **given(options, "tenant", "at", "address", "context")
    )  # fmt: skip
    return answer(options, ask, _show_effective)


def _unpriced(options: argparse.Namespace) -> int:
    return answer(options, asks.unpriced(**given(options, "days", "start", "end", "zone")), _show_unpriced)


def _add(options: argparse.Namespace) -> int:
    said = given(options, "kind", "reason", "source", "valid_from", "valid_to")
    return answer(options, asks.add_price(_fields(options.fields), **said), _show_price)


def _change(options: argparse.Namespace) -> int:
    said = given(options, "reason", "source", "valid_from", "valid_to", "expected")
    return answer(options, asks.change_price(options.row, _fields(options.fields), **said), _show_price)


def _schedule(options: argparse.Namespace) -> int:
    said = given(options, "reason", "source", "valid_from", "valid_to", "expected")
    return answer(options, asks.schedule_price(options.row, _fields(options.fields), **said), _show_price)


def _withdraw(options: argparse.Namespace) -> int:
    ask = asks.withdraw_price(options.row, **given(options, "reason", "source", "at"))
    return answer(options, ask, _show_price)


def _cancel(options: argparse.Namespace) -> int:
    return answer(options, asks.cancel_price(options.version, **given(options, "reason", "source")), _show_price)


def _reprice(options: argparse.Namespace) -> int:
    ask = asks.reprice(**narrowed(options), **given(options, "apply", "plan", "reason"))
    return answer(options, ask, _show_repriced)


def _fields(pairs: Sequence[str]) -> dict[str, Any]:
    """`input=2.5 output=10` as fields of a row. Raises `ValueError` for what is no pair."""
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise ValueError(f"{pair!r} is no field; expected NAME=VALUE, such as input=2.5")
        if name == "free" and value in ("true", "false"):
            fields[name] = value == "true"
        elif name.startswith("context."):
            fields.setdefault("context", {})[name.removeprefix("context.")] = value
        else:
            fields[name] = value or None
    return fields


def _show_list(screen: Console, found: PriceList) -> None:
    columns = ("Row", "Version", "Kind", "Provider", "Model", "Says", "From", "To", "State")
    rows = [
        (str(price.row), str(price.version), price.kind, price.provider, price.model, _says(price),
         when(price.valid_from), when(price.valid_to),
         Text(price.state, "green" if price.state == "current" else "yellow"))
        for price in found.prices
    ]  # fmt: skip
    nothing = "No rows: everything costs what the catalogue says."
    screen.print(table(columns, rows, right=("Row", "Version")) if rows else nothing)


def _show_history(screen: Console, found: PriceHistory) -> None:
    columns = ("Version", "Row", "Recorded", "By", "Kind", "Model", "Says", "From", "To", "Why")
    rows = [
        (str(price.version), str(price.row), when(price.recorded_at), price.author, price.kind,
         f"{price.provider} {price.model}", _says(price), when(price.valid_from), when(price.valid_to), price.reason)
        for price in found.versions
    ]  # fmt: skip
    screen.print(table(columns, rows, right=("Version", "Row")) if rows else "Nothing was said about prices yet.")
    if found.next_cursor is not None:
        screen.print(Text(f"More: --cursor {found.next_cursor}", "dim"))


def _show_effective(screen: Console, found: EffectivePrice) -> None:
    rows = [
        (f"> {band.above_input_tokens:,} input tokens" if band.above_input_tokens else "", meter, f"${price:f}")
        for band in found.bands
        for meter, price in band.unit_prices.items()
    ]
    screen.print(table(("Above", "Meter", "US dollars a unit"), rows, right=("US dollars a unit",)))
    free = ", free" if found.free else ""
    screen.print(Text(f"{found.provider} {found.model} at {when(found.at)}{free}: by {found.version}"), soft_wrap=True)
    for row in found.rows:
        screen.print(Text(f"{row.kind} {row.version} (row {row.row}): {_says(row)}, by {row.author}: {row.reason}"))


def _show_unpriced(screen: Console, found: Unpriced) -> None:
    rows = [
        (model.provider, model.model or "-", count(model.calls), count(model.tokens),
         when(model.first_seen), when(model.last_seen), model.reason or "priced by now: see `prices reprice`")
        for model in found.models
    ]  # fmt: skip
    columns = ("Provider", "Model", "Calls", "Tokens", "First", "Last", "Why")
    screen.print(table(columns, rows, right=columns[2:4]) if rows else "Every model has a price.")
    if rows:
        first = found.models[0]
        names = f"provider={first.provider} model={first.model}"
        told = f"To price one: tollkeeper prices add {names} input=… output=… --reason …"
        screen.print(Text(told, "dim"), soft_wrap=True)


def _show_price(screen: Console, price: Price) -> None:
    since = f"from {when(price.valid_from)}" if price.valid_from else "always"
    until = f" to {when(price.valid_to)}" if price.valid_to else ""
    told = f"Row {price.row}, version {price.version}: {price.provider} {price.model}: {_says(price)}, {since}{until}"
    screen.print(Text(told), soft_wrap=True)


def _show_repriced(screen: Console, done: Repriced) -> None:
    screen.print(Text(f"{when(done.start)} to {when(done.end)}, by the price book's revision {done.revision}", "bold"))
    if done.total is None:
        screen.print("Nothing changes.")
        return
    numbers = ("Calls", "Changed", "Was", "Is", "Difference", "Unpriced")
    rows = [_change_row(change) for change in done.changes]
    rows.append(_change_row(done.total, ("in all", "", "")))
    screen.print(table(("Provider", "Model", "Tenant", *numbers), rows, right=numbers))
    if done.applied:
        screen.print(Text(f"{done.adjusted_calls:,} calls were corrected.", "green"))
    else:
        told = f"Nothing was changed. To do it, the same with: --apply --plan {done.plan} --reason …"
        screen.print(Text(told, "yellow"), soft_wrap=True)


def _change_row(change: PriceChange, names: tuple[str, str, str] | None = None) -> Sequence[Any]:
    named = names or (change.provider, change.model or "-", change.tenant or "-")
    unpriced = f"{change.old_unpriced_calls:,} → {change.new_unpriced_calls:,}"
    costs = (dollars(change.old_cost), dollars(change.new_cost), dollars(change.delta))
    return (*named, count(change.calls), count(change.changed_calls), *costs, unpriced)


def _says(price: Price) -> str:
    if price.withdrawn:
        return "withdrawn"
    said = {name: value for name, value in price.content.items() if name not in ("provider", "model")}
    if price.kind == "price":
        context = said.pop("context", {})
        amounts = "free" if said.pop("free", False) else ", ".join(f"{name} ${value}" for name, value in said.items())
        return " ".join([amounts, *(f"({name} {value})" for name, value in context.items())])
    return ", ".join(f"{name} {value}" for name, value in said.items())
