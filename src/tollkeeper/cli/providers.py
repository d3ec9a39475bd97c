"""`tollkeeper providers …`: how providers and models do, compared with each other and with what is expected of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from decimal import Decimal
from typing import get_args

from rich.console import Console, RenderableType
from rich.text import Text

from tollkeeper.cli.connection import add_verb, answer, given, run
from tollkeeper.cli.tables import count, dollars, failures, milliseconds, table, when
from tollkeeper.client import observing as asks
from tollkeeper.client.observing import (
    Benchmarks,
    BenchmarkState,
    ComparedMeasure,
    ComparedOne,
    Comparison,
    ErrorBudgetOf,
    HealthOf,
    Measure,
    ProviderHealth,
    Window,
)

NUMBERS = ("Calls", "Failed", "Success", "429", "p50", "p95", "p99", "First p50", "Tokens/s", "$/1k tokens", "$/answer")
VERDICTS = {"better": "green", "as_said": "", "worse": "red", "unknown": "dim"}
NOT_YET = "Nothing was evaluated yet: a sidecar does it within a minute."


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper providers", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    health = add_verb(verbs, "health", "success, latency, errors, cost; without a verb, this is meant", _health)
    health.add_argument("--by", choices=("provider", "model", "tier"), default="model", help="(default: %(default)s)")
    compare = add_verb(verbs, "compare", "with each other, and with the benchmarks", _compare)
    compare.add_argument("--by", choices=("provider", "model"), default="model", help="(default: %(default)s)")
    for one in (health, compare):
        one.add_argument("--window", choices=get_args(Window), default="24h", help="(default: %(default)s)")
        one.add_argument("--provider", action="append", metavar="NAME", help="only this one; several times")
    add_verb(verbs, "budgets", "how much each may fail, and how fast that is used up", _budgets)
    add_verb(verbs, "benchmarks", "what is expected of providers, and who says so", _benchmarks)
    expect = add_verb(verbs, "expect", "set a benchmark", _expect)
    forget = add_verb(verbs, "forget", "remove a benchmark", _forget)
    for one in (expect, forget):
        one.add_argument("provider")
        one.add_argument("measure", choices=get_args(Measure), metavar="MEASURE", help=", ".join(get_args(Measure)))
        one.add_argument("--model", help="of this one only")
        one.add_argument("--reason", help="for the audit trail")
    expect.add_argument("value", type=Decimal, help="a share of one, seconds, tokens a second, or US dollars")
    expect.add_argument("--source", required=True, help="who says so: a contract, a page, a measurement")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("providers", parser(), arguments, meant="health")


def _health(options: argparse.Namespace) -> int:
    def show(screen: Console, found: ProviderHealth) -> None:
        if _said_when(screen, found):
            of = {"provider": found.providers, "model": found.models, "tier": found.tiers}[options.by]
            names = ("Provider", "Model", "Tier")[: 1 + ("provider", "model", "tier").index(options.by)]
            rows = [[*(_named(each, name) for name in names), *_cells(each)] for each in of]
            screen.print(table([*names, *NUMBERS], rows, right=NUMBERS) if rows else "No calls.")
            _print_burning(screen, found.budgets)

    return answer(options, asks.provider_health(**given(options, "window", "provider")), show)


def _compare(options: argparse.Namespace) -> int:
    def show(screen: Console, found: Comparison) -> None:
        if _said_when(screen, found):
            for each in found.providers if options.by == "provider" else found.models:
                _print_compared(screen, each)

    return answer(options, asks.provider_comparison(**given(options, "window", "provider")), show)


def _budgets(options: argparse.Namespace) -> int:
    def show(screen: Console, found: ProviderHealth) -> None:
        columns = ("Provider", "Objective", "Calls", "Failed", "May fail", "Used", "1 h", "6 h", "3 d")
        rows = [
            [
                each.provider, f"{each.objective:.2%}", count(each.calls), failures(each.failed_calls),
                f"{each.allowed_failures:,.1f}", _used(each),
                *(Text(_times(burn.long), "red" if burn.burning else "") for burn in each.burns),
            ]
            for each in found.budgets
        ]  # fmt: skip
        screen.print(table(columns, rows, right=columns[1:]) if rows else "No calls in the last 30 days.")
        _print_burning(screen, found.budgets)

    return answer(options, asks.provider_health(), show)


def _benchmarks(options: argparse.Namespace) -> int:
    return answer(options, asks.benchmarks(), _print_benchmarks)


def _expect(options: argparse.Namespace) -> int:
    named = given(options, "model", "reason", "source")
    return answer(options, asks.set_benchmark(options.provider, options.measure, options.value, **named), _print_one)


def _forget(options: argparse.Namespace) -> int:
    named = given(options, "model", "reason")
    return answer(options, asks.remove_benchmark(options.provider, options.measure, **named), _print_one)


def _said_when(screen: Console, found: ProviderHealth | Comparison) -> bool:
    if found.evaluated_at is None:
        screen.print(NOT_YET)
        return False
    screen.print(Text(f"{when(found.start)} to {when(found.end)}", "bold"))
    return True


def _named(each: HealthOf, name: str) -> str:
    return getattr(each, name.lower()) or "-"


def _cells(each: HealthOf) -> list[RenderableType]:
    return [
        count(each.calls),
        failures(each.failed_calls),
        _percent(each.success_rate),
        _percent(each.rate_limited_share) if each.rate_limited_share else "",
        *(milliseconds(_ms(seconds)) for seconds in (each.latency.p50, each.latency.p95, each.latency.p99)),
        milliseconds(_ms(each.first_chunk.p50)),
        "" if each.output_tokens_per_second is None else f"{each.output_tokens_per_second:,.0f}",
        dollars(each.cost_per_1k_tokens),
        dollars(each.cost_per_answer, each.unpriced_calls),
    ]


def _print_compared(screen: Console, each: ComparedOne) -> None:
    name = "/".join(filter(None, (each.provider, each.model)))
    screen.print(Text.assemble((name, "bold"), f", {each.calls:,} calls"))
    columns = ("Measure", "Value", "Of the best", "Best", "Expected", "", "Source")
    rows: list[list[RenderableType]] = [
        [
            one.measure, _value(one.value), _times(one.of_best), one.best or "", _value(one.benchmark), _verdict(one),
            one.source or "",
        ]
        for one in each.measures
        if one.value is not None or one.benchmark is not None
    ]  # fmt: skip
    screen.print(table(columns, rows, right=("Value", "Of the best", "Expected")))


def _verdict(one: ComparedMeasure) -> Text:
    if one.benchmark is None:
        return Text("")
    return Text(f"{one.verdict.replace('_', ' ')} ({_times(one.of_benchmark)})", VERDICTS[one.verdict])


def _print_burning(screen: Console, budgets: Sequence[ErrorBudgetOf]) -> None:
    for each in budgets:
        for burn in each.burns:
            if burn.burning:
                told = f"{each.provider} uses its error budget up {_times(burn.long)} as fast as it may"
                screen.print(Text(f"{told}, over {burn.long_seconds // 3600} h", "red"))
                break


def _print_benchmarks(screen: Console, found: Benchmarks) -> None:
    columns = ("Provider", "Model", "Measure", "Expected", "Source", "Set", "By")
    rows = [
        [
            each.provider, each.model or "-", each.measure, f"{each.value:f}", each.source, when(each.changed_at),
            each.author,
        ]
        for each in found.benchmarks
    ]  # fmt: skip
    none = "Nothing is expected of any provider: tollkeeper providers expect …"
    screen.print(table(columns, rows, right=("Expected",)) if rows else none)


def _print_one(screen: Console, each: BenchmarkState) -> None:
    _print_benchmarks(screen, Benchmarks(benchmarks=[each]))


def _used(each: ErrorBudgetOf) -> Text:
    if each.used is None:
        return Text("unknown", "yellow")
    return Text(f"{each.used:.0%}", "red" if each.used >= 1 else "")


def _percent(share: float | None) -> RenderableType:
    return Text("unknown", "yellow") if share is None else f"{share:.2%}"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:,.2f} x"


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"
