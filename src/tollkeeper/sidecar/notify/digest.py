"""The text of a daily or weekly digest, of figures that are given: what was spent, by whom, and what filled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from tollkeeper.alerting.channel import Digest
from tollkeeper.model.alert import Alert, Notification
from tollkeeper.model.limit import Measure
from tollkeeper.sidecar.notify.contract import Message
from tollkeeper.sidecar.notify.messages import title_of
from tollkeeper.sidecar.notify.names import amount_shown, clean, moment_shown
from tollkeeper.sidecar.notify.payload import NANO

MOST_ROWS: Final = 5
MOST_ALERTS: Final = 20


class Spent(NamedTuple):
    """What was spent on one provider, model or tenant; `before` in the period before. Nano-dollars."""

    value: str
    cost: int
    before: int = 0


class Standing(NamedTuple):
    """How full a limit is, or was at the fullest. In the measure's unit; `usd` is nano-dollars."""

    limit: str
    scope: Mapping[str, str]
    measure: Measure
    used: int
    amount: int
    percent: float


class Figures(NamedTuple):
    """What a digest is made of. Moments are nanoseconds; `spent` is by dimension: `provider`, `model`, `tenant`.

    `cost_before` is that of the period before, `None` if nothing was recorded then. `unpriced` is how many of the calls
    have no price, and so are not in the cost.
    """

    every: Digest
    start: int
    end: int
    cost: int
    cost_before: int | None
    calls: int
    unpriced: int = 0
    spent: Mapping[str, Sequence[Spent]] = {}
    standings: Sequence[Standing] = ()
    alerts: Sequence[Alert] = ()
    link: str | None = None


def digest_of(figures: Figures) -> Message:
    """What people read of a period that is over."""
    cost = f"{amount_shown('usd', figures.cost)}{_change(figures.cost, figures.cost_before)}"
    title = f"{figures.every.capitalize()} digest, {_days(figures)}: {cost}"
    parts = [
        f"Spent {cost} on {figures.calls:,} call{'' if figures.calls == 1 else 's'}."
        + (f"\nNot in it: {figures.unpriced:,} of them, that have no price." if figures.unpriced else ""),
        *(_section(f"By {clean(name)}:", _spent_lines(rows)) for name, rows in figures.spent.items() if rows),
        _section("Limits, the fullest first:", _standing_lines(figures.standings)) if figures.standings else "",
        _section("Alerts:", _alert_lines(figures.alerts)) if figures.alerts else "No alerts.",
        figures.link or "",
    ]
    return Message(title, "\n\n".join(filter(None, parts)), "info", figures.link)


def _days(figures: Figures) -> str:
    first, last = (datetime.fromtimestamp(at // NANO, UTC).date() for at in (figures.start, figures.end - 1))
    return first.isoformat() if first == last else f"{first} to {last}"


def _section(head: str, lines: Iterator[str]) -> str:
    return "\n".join((head, *(f"- {line}" for line in lines)))


def _change(now: int, before: int | None) -> str:
    """In percent, of the period before. Of nothing there is no percentage."""
    if before is None:
        return ""
    if before <= 0:
        return " (new)" if now > 0 else ""
    percent = round((now - before) * 100 / before)
    return f" ({percent:+,} %)"


def _spent_lines(rows: Sequence[Spent]) -> Iterator[str]:
    ordered = sorted(rows, key=lambda row: (-row.cost, row.value))
    for row in ordered[:MOST_ROWS]:
        yield f"{clean(row.value) or '(none)'}: {amount_shown('usd', row.cost)}{_change(row.cost, row.before)}"
    if rest := ordered[MOST_ROWS:]:
        cost, before = sum(row.cost for row in rest), sum(row.before for row in rest)
        yield f"{len(rest)} more: {amount_shown('usd', cost)}{_change(cost, before)}"


def _standing_lines(standings: Sequence[Standing]) -> Iterator[str]:
    for each in sorted(standings, key=lambda each: -each.percent)[:MOST_ROWS]:
        who = " and ".join(f"{clean(name)} {clean(value)}" for name, value in each.scope.items())
        of = f"{amount_shown(each.measure, each.used)} of {amount_shown(each.measure, each.amount)}"
        yield f"{clean(each.limit)}{f' for {who}' if who else ''}: {each.percent:.0f} %, {of}"


def _alert_lines(alerts: Sequence[Alert]) -> Iterator[str]:
    for alert in sorted(alerts, key=lambda alert: alert.began_at)[:MOST_ALERTS]:
        title = title_of(Notification(alert.id, "", "fired", alert, alert.began_at))
        ended = "still firing" if alert.ended_at is None else f"over at {moment_shown(alert.ended_at)}"
        yield f"{moment_shown(alert.began_at)}: {title}; {ended}"
    if len(alerts) > MOST_ALERTS:
        yield f"{len(alerts) - MOST_ALERTS} more"
