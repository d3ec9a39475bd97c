"""`tollkeeper forecast`: where this day, week or month will end, how surely, and when budgets are used up."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from rich.console import Console, RenderableType
from rich.text import Text

from tollkeeper.cli.connection import add_connection, answer, given, run
from tollkeeper.cli.tables import count, dollars, table, when
from tollkeeper.client import forecasting as asks
from tollkeeper.client.forecasting import Forecasts, ForecastState

BY = ("total", "tenant", "project", "service", "feature", "provider", "model", "limit")
SCOPES = ("tenant", "project", "user", "session", "service", "feature", "config", "model", "provider")
HORIZONS = ("day", "week", "month")
NUMBERS = ("Used", "Forecast", "80 of 100", "Amount", "Exceeded", "Error", "Covered")
WIDTH = 48
"""Of the picture of a band, in characters."""
LIKELY, POSSIBLE = 0.8, 0.2


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper forecast", description=__doc__)
    flags.add_argument("--horizon", choices=HORIZONS, help="(default: month; of limits, their own period)")
    flags.add_argument(
        "--by", action="append", choices=BY, metavar="NAME",
        help=f"a line for each; several times. One of {', '.join(BY)} (default: total)",
    )  # fmt: skip
    flags.add_argument("--limit", dest="subject", metavar="NAME", help="the budgets of this limit")
    group = flags.add_argument_group("only those of")
    for name in SCOPES:
        group.add_argument(f"--{name}", metavar="NAME")
    flags.add_argument("--most", type=int, help="the largest so many (default: 100)")
    flags.add_argument("--band", action="store_true", help="show each with its band, not only where it is one")
    add_connection(flags)
    flags.set_defaults(do=_do)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("forecast", parser(), arguments)


def _do(options: argparse.Namespace) -> int:
    of_limits = options.subject is not None or options.by == ["limit"]
    horizon = options.horizon or (None if of_limits or options.by else "month")
    asked = {**given(options, "by", "subject", *SCOPES, "most"), "horizon": horizon}
    ask = asks.forecasts(**asked)
    return answer(options, ask, lambda screen, found: _show(screen, found, options.band))


def _show(screen: Console, found: Forecasts, with_bands: bool) -> None:
    if found.at is None:
        screen.print("Nobody has looked yet: the sidecar does, once an hour.")
    elif not found.forecasts:
        screen.print("There are no such forecasts.")
    elif with_bands or len(found.forecasts) == 1:
        for one in found.forecasts:
            show_one(screen, one)
    else:
        screen.print(table(("Whose", "Until", *NUMBERS), [_cells(one) for one in found.forecasts], right=NUMBERS))
    if found.at is not None:
        screen.print(Text(f"As of {when(found.at)}.", "dim"))


def _cells(one: ForecastState) -> list[RenderableType]:
    between = (
        ""
        if one.low is None or one.high is None
        else Text.assemble(_amount(one, one.low), " – ", _amount(one, one.high))
    )
    return [
        _name(one), f"{one.horizon} to {_last(one, one.period_end):%a %d %b}", _amount(one, one.used),
        Text(one.reason or "", "yellow") if one.forecast is None else _amount(one, one.forecast), between,
        "" if one.amount is None else _amount(one, one.amount), _probability(one),
        "" if one.error is None else f"{one.error:.0%}", _covered(one),
    ]  # fmt: skip


def show_one(screen: Console, one: ForecastState) -> None:
    """One forecast, with its band."""
    screen.print(
        Text(f"{_name(one)}: {one.horizon} to the end of {_last(one, one.period_end):%A, %d %B} ({one.zone})", "bold")
    )
    screen.print(Text.assemble("Used up to now   ", _amount(one, one.used)))
    if one.forecast is not None:
        screen.print(Text.assemble("At the end       ", _amount(one, one.forecast)))
    if one.low is not None and one.high is not None:
        screen.print(Text.assemble("80 of 100 times  ", _amount(one, one.low), " to ", _amount(one, one.high)))
    if one.lowest is not None and one.highest is not None:
        screen.print(Text.assemble("95 of 100 times  ", _amount(one, one.lowest), " to ", _amount(one, one.highest)))
    if one.amount is not None:
        screen.print(
            Text.assemble("It may be        ", _amount(one, one.amount), "; exceeded: ", _probability(one) or "unknown")
        )
    if one.exhausted is not None and one.exhausted.early is not None:
        days = (one.exhausted.median, one.exhausted.early, one.exhausted.late)
        median, early, late = (None if day is None else when(day) for day in days)
        about = f"about {median}, " if median else ""
        screen.print(f"Used up          {about}at the earliest {early}, at the latest {late or 'not in this period'}")
    if one.reason is not None:
        screen.print(Text(one.reason[:1].upper() + one.reason[1:] + ".", "yellow"))
    for change in one.price_changes:
        screen.print(f"From {when(change.at)} on, prices are {change.factor:.3g} times what they are.")
    if one.band:
        screen.print()
        _draw(screen, one)
    if one.method is not None:
        better = f"{one.method}, {one.contest[0].weight:.0%} of it"
        error = "" if one.error is None else f"; such totals were {one.error:.0%} off"
        screen.print(Text(f"By {better}, from {one.history_days} days{error}{_said_covered(one)}.", "dim"))
    screen.print()


def _draw(screen: Console, one: ForecastState) -> None:
    """A line for each moment: used, then up to the low end, the band, and the budget."""
    top = max([one.used, one.amount or Decimal(0), *(point.high or point.middle for point in one.band)])
    scale = WIDTH / float(top) if top else 0.0
    used, budget = round(float(one.used) * scale), None if one.amount is None else round(float(one.amount) * scale)
    is_day = one.horizon == "day"
    for point in one.band:
        low, middle = (round(float(each) * scale) for each in (point.low or point.middle, point.middle))
        high = round(float(point.high or point.middle) * scale)
        line = Text(f"{_last(one, point.at):{'%H:%M' if is_day else '%a %d %b'}}  ")
        for at in range(WIDTH + 1):
            line.append(*_mark(at, used, (low, middle, high), budget))
        screen.print(line.append_text(Text.assemble("  ", _amount(one, point.middle))))


def _mark(at: int, used: int, band: tuple[int, int, int], budget: int | None) -> tuple[str, str]:
    low, middle, high = band
    if at == budget:
        return "│", "red"
    if at == middle:
        return "●", "bold"
    if at < used:
        return "█", "blue"
    if at < low:
        return "▓", "blue"
    return ("░", "cyan") if at <= high else (" ", "")


def _last(one: ForecastState, end: datetime) -> datetime:
    """The last moment before an end: that of a day is shown on this day, and not the next."""
    return (end - timedelta(seconds=1)).astimezone(ZoneInfo(one.zone))


def _name(one: ForecastState) -> str:
    whose = ", ".join(f"{name} {value or '-'}" for name, value in one.scope.items())
    if one.subject is not None:
        return f"{one.subject} ({whose})" if whose else one.subject
    return whose or "all"


def _amount(one: ForecastState, amount: Decimal) -> Text:
    if one.measure == "usd":
        return Text(f"${amount:,.2f}", "green") if amount >= 1 else dollars(amount)
    return Text.assemble(str(count(int(amount))), f" {one.measure.replace('_', ' ')}")


def _probability(one: ForecastState) -> Text:
    if one.probability is None:
        return Text("")
    style = "red" if one.probability >= LIKELY else "yellow" if one.probability >= POSSIBLE else "green"
    return Text(f"{one.probability:.0%}", style)


def _covered(one: ForecastState) -> str:
    return "" if not one.coverage_of_all else f"{one.coverage_of_all[0].share:.0%}"


def _said_covered(one: ForecastState) -> str:
    if not one.coverage_of_all:
        return ""
    covered = one.coverage_of_all[0]
    return f"; {covered.share:.0%} of {covered.totals} of them were in the interval of {covered.level} of 100"
