"""`tollkeeper alerts …`: what fires, and who was told of it; to take it on, silence it, and try messages again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from tollkeeper.cli.connection import add_range, add_verb, answer, given, run
from tollkeeper.cli.tables import table, when
from tollkeeper.client import alerting as asks
from tollkeeper.client.alerting import (
    AlertDetail,
    Alerts,
    AlertState,
    Message,
    Messages,
    Retried,
    Silences,
    SilenceState,
)

STYLES = {"info": "", "warning": "yellow", "critical": "red", "emergency": "bold red"}
STATES = {"sent": "green", "waiting": "yellow", "dead": "red"}
KINDS = (
    "limit", "forecast", "emergency", "anomaly", "error_budget", "reconciliation", "unpriced_model", "stale_prices",
    "counters_disagree", "rule",
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper alerts", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    _add_alerts(verbs)
    _add_silences(verbs)
    log = add_verb(verbs, "log", "what was told, what waits, and what could not be delivered", _log)
    log.add_argument("--channel", metavar="NAME")
    log.add_argument("--state", choices=("waiting", "sent", "dead"))
    log.add_argument("--alert", dest="alert_id", metavar="ID", help="messages about this one")
    log.add_argument("--limit", type=int, default=50)
    again = add_verb(verbs, "retry", "try a message again that is dead", _retry)
    again.add_argument("id", help="as `log` shows it")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("alerts", parser(), arguments, meant="list")


def _add_alerts(verbs: Any) -> None:
    several = add_verb(verbs, "list", "what fires; without a verb, this is meant", _list)
    several.add_argument("--all", action="store_true", help="also what is over")
    several.add_argument("--kind", choices=KINDS)
    several.add_argument("--severity", choices=tuple(STYLES))
    several.add_argument("--subject", metavar="NAME", help="the limit, or the model")
    several.add_argument("--limit", type=int, default=100)
    add_range(several)
    show = add_verb(verbs, "show", "one alert, and who was told of it", _show)
    show.add_argument("id", help="as `list` shows it")
    seen = add_verb(verbs, "ack", "take one on: it is not repeated, until it worsens", _acknowledge)
    seen.add_argument("id", help="as `list` shows it")
    seen.add_argument("--reason", help="for the audit trail")


def _add_silences(verbs: Any) -> None:
    made = add_verb(verbs, "silence", "have nobody told of what matches, for a time", _silence)
    made.add_argument(
        "match", nargs="+", metavar="NAME=GLOB", help="such as limit=daily* or tenant=acme; all must match"
    )
    made.add_argument("--for", dest="duration", metavar="LENGTH", help="such as 30m, 4h or 1d")
    made.add_argument("--until", dest="ends_at", metavar="WHEN", help="in its place a moment, with its zone: …T08:00Z")
    made.add_argument("--comment", required=True, help="why")
    several = add_verb(verbs, "silences", "what nobody is told of", _silences)
    several.add_argument("--ended", action="store_true", help="also those that are over")
    end = add_verb(verbs, "unsilence", "end a silence now", _unsilence)
    end.add_argument("id", type=int, help="as `silences` shows it")
    end.add_argument("--reason", help="for the audit trail")


def _list(options: argparse.Namespace) -> int:
    narrowed = given(options, "kind", "severity", "subject", "limit", "days", "start", "end", "zone")
    return answer(options, asks.alerts(firing=None if options.all else True, **narrowed), _print_alerts)


def _show(options: argparse.Namespace) -> int:
    return answer(options, asks.alert(options.id), _print_alert)


def _acknowledge(options: argparse.Namespace) -> int:
    return answer(options, asks.acknowledge_alert(options.id, reason=options.reason), _print_alert)


def _silence(options: argparse.Namespace) -> int:
    match: dict[str, list[str]] = {}
    for text in options.match:
        name, separator, glob = text.partition("=")
        if not name or not separator:
            raise ValueError(f"{text!r} is no match; expected NAME=GLOB, such as tenant=acme")
        match.setdefault(name, []).append(glob)
    ask = asks.silence(match, comment=options.comment, **given(options, "duration", "ends_at"))
    return answer(options, ask, _print_silence)


def _silences(options: argparse.Namespace) -> int:
    return answer(options, asks.silences(ended=options.ended), _print_silences)


def _unsilence(options: argparse.Namespace) -> int:
    return answer(options, asks.end_silence(options.id, reason=options.reason), _print_silence)


def _log(options: argparse.Namespace) -> int:
    return answer(options, asks.notifications(**given(options, "channel", "state", "alert_id", "limit")), _print_log)


def _retry(options: argparse.Namespace) -> int:
    return answer(options, asks.retry_notification(options.id), _print_retried)


def _print_alerts(screen: Console, found: Alerts) -> None:
    rows = [
        (one.id, Text(one.severity, STYLES[one.severity]), one.title.partition(": ")[2] or one.title,
         when(one.began_at), _standing(one))
        for one in found.alerts
    ]  # fmt: skip
    columns = ("Alert", "Severity", "What", "Since", "How it stands")
    screen.print(table(columns, rows) if rows else "No alerts.")


def _standing(alert: AlertState) -> str:
    if not alert.firing:
        return f"over since {when(alert.ended_at)}"
    told = [f"taken on by {alert.acknowledged_by}"] if alert.acknowledged_by else []
    return ", ".join([*told, *(["muted"] if alert.muted else [])]) or "fires"


def _print_alert(screen: Console, alert: AlertDetail) -> None:
    screen.print(Text(alert.title, STYLES[alert.severity]))
    screen.print(f"{alert.id}, since {when(alert.began_at)}: {_standing(alert)}")
    if alert.amount is not None and alert.used is not None:
        unit = "$" if alert.measure == "usd" else ""
        screen.print(f"used: {unit}{alert.used:,} of {unit}{alert.amount:,} ({alert.form})")
    if alert.period_end is not None:
        screen.print(f"period: {when(alert.period_start)} to {when(alert.period_end)}")
    if alert.link:
        screen.print(alert.link)
    _print_messages(screen, alert.notifications, "Nobody was told of it: no channel wants it.")


def _print_log(screen: Console, found: Messages) -> None:
    _print_messages(screen, found.notifications, "Nothing was told.")


def _print_messages(screen: Console, messages: Sequence[Message], nothing: str) -> None:
    rows: list[tuple[RenderableType, ...]] = [
        (one.id, when(one.created_at), one.channel, one.event, one.title, Text(one.state, STATES[one.state]),
         str(one.attempts), one.detail or "")
        for one in messages
    ]  # fmt: skip
    columns = ("Message", "Noted", "Channel", "Event", "Title", "State", "Tries", "What became of it")
    screen.print(table(columns, rows, right=("Tries",)) if rows else nothing)


def _print_silences(screen: Console, found: Silences) -> None:
    rows = [
        (str(one.id), _matched(one), when(one.starts_at), when(one.ends_at), one.author, one.comment)
        for one in found.silences
    ]
    columns = ("Silence", "Match", "From", "Until", "By", "Why")
    screen.print(table(columns, rows, right=("Silence",)) if rows else "No silences.")


def _print_silence(screen: Console, silence: SilenceState) -> None:
    held = f"holds until {when(silence.ends_at)}" if silence.active else f"ends at {when(silence.ends_at)}"
    screen.print(Text(f"Silence {silence.id} ({_matched(silence)}) {held}.", "green"))


def _matched(silence: SilenceState) -> str:
    return " ".join(f"{name}={'|'.join(globs)}" for name, globs in silence.match.items())


def _print_retried(screen: Console, retried: Retried) -> None:
    screen.print(Text(f"{retried.id} waits, and is sent within seconds.", "green"))
