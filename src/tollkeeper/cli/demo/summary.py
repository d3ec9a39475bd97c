"""The demo's end: what it all came to, and whether it adds up."""

from __future__ import annotations

import json
import math
import urllib.request
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tollkeeper.cli.demo.crew import Crew
from tollkeeper.cli.demo.screen import cost, dollars, models_table, seconds
from tollkeeper.cli.demo.tally import Tally, quantile
from tollkeeper.model import Call

SCRAPE_SECONDS = 10.0
CUT_SHORT_SHOWN = 6


class Check(NamedTuple):
    """Two numbers that have to agree."""

    what: str
    ours: str
    theirs: str
    holds: bool


def check(tally: Tally, crew: Crew, denied: int, metrics_url: str, all_ended: bool) -> list[Check]:
    """Hold what was recorded against what the simulator handed out, what the app did, and what `/metrics` says."""
    books = tally.books
    made = crew.sync_calls + crew.async_calls - denied + (tally.live is not None)
    total = tally.all
    scraped = _scrape(metrics_url)
    calls, tokens = scraped["tollkeeper_calls_total"], scraped["tollkeeper_tokens_total"]
    usd = scraped["tollkeeper_cost_usd_total"]
    answers = books.equal + len(books.unequal)
    return [
        Check(
            "Calls: recorded, and made by the app less those that were denied",
            f"{total.calls:,}",
            f"{made:,}",
            total.calls == made and all_ended,
        ),
        Check(
            "Answers whose usage is the same on both sides, one by one",
            f"{books.equal:,}",
            f"{answers + books.unpaired:,}",
            not books.unequal and not books.unpaired and books.equal > 0,
        ),
        _same("Input tokens: recorded, and handed out by the simulator", books.recorded.input, books.sent.input),
        _same("Output tokens: recorded, and handed out by the simulator", books.recorded.output, books.sent.output),
        _same("Calls: recorded, and on /metrics", total.calls, int(calls)),
        _same(
            "All tokens, estimated ones included: recorded, and on /metrics", total.input + total.output, int(tokens)
        ),
        Check(
            "Cost: recorded to the nano-dollar, and on /metrics",
            dollars(total.usd, 9),
            dollars(Decimal(usd), 9),
            math.isclose(float(total.usd), usd, rel_tol=1e-9),
        ),
        Check("Failures of the app that no accident explains", str(len(crew.failures)), "0", not crew.failures),
    ]


def check_ledger(tally: Tally, stats: Mapping[str, Any]) -> list[Check]:
    """Hold what was recorded against what the sidecar's ledger has: it has priced each call anew."""
    usd = Decimal(stats["total_cost_nano_usd"]).scaleb(-9)
    return [
        _same("Calls: recorded, and in the ledger", tally.all.calls, stats["total_requests"]),
        _same(
            "All tokens, estimated ones included: recorded, and in the ledger",
            tally.all.input + tally.all.output,
            stats["total_tokens"],
        ),
        Check(
            "Cost: recorded, and in the ledger, to the nano-dollar",
            dollars(tally.all.usd, 9),
            dollars(usd, 9),
            tally.all.usd == usd,
        ),
    ]


def show_ledger(console: Console, url: str, stats: Mapping[str, Any]) -> None:
    """What the sidecar was asked, and what it answered."""
    shown = {name: stats[name] for name in ("total_requests", "total_tokens", "total_cost", "average_cost")}
    console.print(Text(f"$ curl {url}/api/v1/stats", "bold"), soft_wrap=True)
    console.print(Text(json.dumps(shown)[:-1] + ", …}"), soft_wrap=True)


def _same(what: str, ours: int, theirs: int) -> Check:
    return Check(what, f"{ours:,}", f"{theirs:,}", ours == theirs)


def _scrape(url: str) -> Counter[str]:
    """The sum of each metric's samples."""
    # A proxy that the environment names is for other hosts than this one.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=SCRAPE_SECONDS) as answer:
        text = answer.read().decode()
    sums: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += sample.value  # type: ignore[assignment]
    return sums


def show(console: Console, tally: Tally, crew: Crew, checks: list[Check], live_problem: str | None) -> None:
    console.rule("[bold]The day is over[/]", align="left", style="cyan")
    console.print(models_table(tally, console.width))
    console.print(_features_table(tally))
    _show_what_happened(console, tally, crew)
    if tally.live is not None and live_problem is None:
        console.print(_live_line(tally.live))
    elif live_problem is not None:
        console.print(Text(live_problem, "yellow"))
    console.print(_checks_table(checks))
    if all(each.holds for each in checks):
        console.print(Text("Every token and every call is accounted for.", "bold green"))
        more = "In a browser: make demo ARGS=--page. On and on: ARGS=--forever. With a real call: ARGS=--live."
        console.print(Text(more, "dim"))
    else:
        console.print(Text("Something does not add up: please report it.", "bold red"))


def _features_table(tally: Tally) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Feature", "Calls", "Cost", "A call", "p95"):
        table.add_column(name, justify="left" if name == "Feature" else "right")
    for feature, row in sorted(tally.by_feature.items(), key=lambda each: -each[1].usd):
        each = dollars(row.usd / row.calls, 6)
        table.add_row(feature, f"{row.calls:,}", cost(row), each, seconds(quantile(row.durations, 0.95)))
    return table


def _show_what_happened(console: Console, tally: Tally, crew: Crew) -> None:
    total, books = tally.all, tally.books
    errors = ", ".join(f"{name} ×{count}" for name, count in tally.errors.most_common()) or "none"
    estimated, partial = tally.sources["estimated"], tally.sources["partial"]
    console.print(
        f"{crew.sync_calls:,} sync and {crew.async_calls:,} async calls, {total.streams:,} of them streams."
        f" The simulator got {books.requests:,} requests and refused {books.refused:,}: SDKs ask again by themselves.",
        highlight=False,
    )
    console.print(f"Errors that reached the app: {errors}.", highlight=False)
    console.print(
        f"Streams that ended early: {estimated + partial}, {tally.abandoned} of them abandoned by their readers."
        " Providers bill them all the same, without a word, so their usage is estimated, and marked"
        f" ({estimated} estimated, {partial} with the provider's input):",
        highlight=False,
    )
    for call in list(tally.cut_short)[-CUT_SHORT_SHOWN:]:
        console.print(_cut_line(call))
    console.print(f"Calls without a price: {total.unpriced}. They are counted apart, and never as $0.", highlight=False)


def _cut_line(call: Call) -> Text:
    why = "abandoned" if call.abandoned else call.error_type or "cut off"
    line = Text(f"  {call.request_model:<18} {why:<22}")
    line.append(
        f"{call.usage.input_tokens or 0:>6,} → {call.usage.output_tokens or 0:<4,} {call.usage_source:<10}", "magenta"
    )
    line.append(dollars(call.cost.usd, 6) if call.cost is not None else "no cost")
    return line


def _live_line(call: Call) -> Text:
    usage = call.usage
    return Text.assemble(
        ("The real call: ", "bold"),
        f"{call.response_model} at {call.server_address}, {usage.input_tokens} → {usage.output_tokens} tokens, ",
        (dollars(call.cost.usd, 9) if call.cost is not None else "no cost", "green"),
        f", {(call.duration or 0) * 1000:.0f} ms",
    )


def _checks_table(checks: list[Check]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title="Does it add up?", title_justify="left", title_style="bold"
    )
    for name in ("", "", "Tollkeeper", "Others"):
        table.add_column(name, justify="right" if name else "left")
    for each in checks:
        mark = Text("ok", "bold green") if each.holds else Text("NO", "bold red")
        table.add_row(mark, each.what, each.ours, each.theirs)
    return table
