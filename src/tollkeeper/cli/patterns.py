"""`tollkeeper patterns`: when calls are made, by whom, how spend is spread over them, and what was paid for in vain."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console, RenderableType
from rich.text import Text

from tollkeeper.cli.connection import add_connection, answer, given, run
from tollkeeper.cli.tables import count, dollars, failures, table, when
from tollkeeper.client import observing as asks
from tollkeeper.client.observing import CachePattern, Patterns, SpentOn, TimeSlot, Unread, Wasted

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHADES = " ░▒▓█"


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper patterns", description=__doc__)
    flags.add_argument("--window", choices=("7d", "30d"), default="7d", help="(default: %(default)s)")
    flags.add_argument("--zone", help="whose hours and days are meant, such as Europe/Berlin (default: UTC)")
    flags.add_argument("--top", type=int, default=5, help="so many of each (default: %(default)s)")
    add_connection(flags)
    flags.set_defaults(do=_do)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("patterns", parser(), arguments)


def _do(options: argparse.Namespace) -> int:
    return answer(options, asks.patterns(**given(options, "window", "zone", "top")), _show)


def _show(screen: Console, found: Patterns) -> None:
    screen.print(Text(f"{found.start:%Y-%m-%d} until now, {found.zone}", "bold"))
    _print_week(screen, found)
    _print_top(screen, found)
    if found.evaluated_at is None:
        screen.print("How spend is spread was not evaluated yet: a sidecar does it every five minutes.")
        return
    screen.print(Text(f"As of {when(found.evaluated_at)}:", "bold"))
    if found.heavy_tail is not None and found.heavy_tail.share is not None:
        tail = found.heavy_tail
        told = (
            f"The dearest {tail.part:.0%} of calls ({tail.calls:,} of {tail.of:,}) have {tail.share:.0%} of the spend: "
        )
        screen.print(Text(told).append_text(dollars(tail.cost)))
    if found.wasted is not None:
        _print_wasted(screen, found.wasted)
    if found.cache is not None:
        _print_cache(screen, found.cache)


def _print_week(screen: Console, found: Patterns) -> None:
    most = max((slot.calls_a_time or 0 for slot in found.heat_map), default=0)
    if not most:
        screen.print("No calls.")
        return
    rows: list[list[RenderableType]] = []
    for day, name in enumerate(DAYS):
        hours = [slot for slot in found.heat_map if slot.weekday == day]
        whole = found.weekdays[day]
        per_day = (whole.calls / whole.times) if whole.times else None
        shades = "".join(_shade(slot, most) for slot in hours)
        rows.append([name, shades, "" if per_day is None else f"{per_day:,.0f}", dollars(whole.cost)])
    screen.print(table(("", "0     6     12    18    ", "Calls a day", "Cost"), rows, right=("Calls a day", "Cost")))
    peaks = (f"{DAYS[slot.weekday or 0]} {slot.hour}:00 ({slot.calls_a_time:,.0f} calls)" for slot in found.peaks[:3])
    screen.print(Text(f"Busiest: {', '.join(peaks)}"))


def _shade(slot: TimeSlot, most: float) -> str:
    if not slot.calls_a_time:
        return SHADES[0]
    return SHADES[max(1, round(slot.calls_a_time / most * (len(SHADES) - 1)))]


def _print_top(screen: Console, found: Patterns) -> None:
    rows: list[list[RenderableType]] = [
        [
            kind if not place else "", one.name or "-", count(one.calls), failures(one.failed_calls), dollars(one.cost),
            "" if one.share is None else f"{one.share:.0%}",
        ]
        for kind, several in found.top.items()
        for place, one in enumerate(several)
    ]  # fmt: skip
    rows += [
        ["session" if not place else "", one.session, count(one.calls), "", dollars(one.cost), ""]
        for place, one in enumerate(found.top_sessions)
    ]
    if rows:
        columns = ("Top", "Name", "Calls", "Failed", "Cost", "Share")
        screen.print(table(columns, rows, right=columns[2:]))


def _print_wasted(screen: Console, wasted: Wasted) -> None:
    named = (
        ("attempts beyond the first", wasted.retries),
        ("failed, and billed", wasted.billed_failures),
        (f"cut at their longest (of {wasted.finish_known:,} that say why they ended)", wasted.truncated),
        (f"much put in for very little (of {wasted.large_input.calls:,} large ones)", wasted.tiny_output),
        ("dearer as their input was so long", wasted.long_context),
    )
    rows = [_row(name, spent) for name, spent in named]
    rows.append(_row("… by", wasted.long_context_surcharge))
    screen.print(table(("Calls that were", "Calls", "Cost"), rows, right=("Calls", "Cost")))


def _row(name: str, spent: SpentOn) -> list[RenderableType]:
    return [name, count(spent.calls), dollars(spent.cost, spent.calls - spent.calls_with_cost)]


def _print_cache(screen: Console, cache: CachePattern) -> None:
    if cache.hit_ratio is not None:
        screen.print(f"Of {cache.input_tokens:,} input tokens, {cache.hit_ratio:.0%} were read from a cache.")
    if cache.writes:
        told = f"{cache.written_tokens:,} were written, for "
        screen.print(Text(told).append_text(dollars(cache.write_cost, cache.writes - cache.priced_writes)))
        least, most = cache.unread_at_least, cache.unread_at_most
        screen.print(
            Text(f"Of these, nobody has read {_between(least.tokens, most.tokens)} again: ")
            .append_text(_paid(least, most))
            .append(", of which plain input would have saved ")
            .append_text(_both(least.extra_cost, most.extra_cost))
        )


def _between(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _paid(least: Unread, most: Unread) -> Text:
    return _both(least.cost, most.cost)


def _both(least: Decimal, most: Decimal) -> Text:
    return dollars(least) if least == most else Text.assemble(dollars(least), " to ", dollars(most))
