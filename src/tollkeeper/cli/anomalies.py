"""`tollkeeper anomalies …`: what is unusual, and why; to take one on, and to say whether it was real."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.alerts import STYLES
from tollkeeper.cli.connection import add_range, add_verb, answer, given, run
from tollkeeper.cli.tables import dollars, table, when
from tollkeeper.client import detecting as asks
from tollkeeper.client.detecting import Anomalies, AnomalyState, TuningState

KINDS = ("spike", "level_shift", "drop", "runaway", "rule")
METRICS = ("spend", "tokens", "requests", "error_rate", "latency", "tokens_per_request", "cost_per_request")
SCOPES = ("tenant", "project", "user", "session", "service", "feature", "config", "model", "provider")


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper anomalies", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    several = add_verb(verbs, "list", "what is unusual; without a verb, this is meant", _list)
    several.add_argument("--all", action="store_true", help="also what is over")
    several.add_argument("--kind", choices=KINDS)
    several.add_argument("--metric", choices=METRICS)
    several.add_argument("--severity", choices=tuple(STYLES))
    several.add_argument("--rule", metavar="NAME", help="found by this rule of the policy")
    several.add_argument("--label", choices=("real", "false", "none"))
    for name in SCOPES:
        several.add_argument(f"--{name}", metavar="NAME")
    several.add_argument("--limit", type=int, default=100)
    add_range(several)
    add_verb(verbs, "show", "one of them: what was expected, and what it is made of", _show).add_argument("id")
    seen = add_verb(verbs, "ack", "take one on, and its alert: it is not repeated, until it worsens", _acknowledge)
    seen.add_argument("id", help="as `list` shows it")
    seen.add_argument("--reason", help="for the audit trail")
    said = add_verb(verbs, "label", "say whether one was real: thresholds go by it", _label)
    said.add_argument("id", help="as `list` shows it")
    said.add_argument("label", choices=("real", "false", "none"), help="`none` takes back what was said")
    said.add_argument("--note", help="why")
    add_verb(verbs, "tuning", "what labels have made of thresholds", _tuning)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("anomalies", parser(), arguments, meant="list")


def _list(options: argparse.Namespace) -> int:
    fields = ("kind", "metric", "severity", "rule", "label", *SCOPES, "limit", "days", "start", "end", "zone")
    ask = asks.anomalies(open=None if options.all else True, **given(options, *fields))
    return answer(options, ask, _print_anomalies)


def _show(options: argparse.Namespace) -> int:
    return answer(options, asks.anomaly(options.id), _print_anomaly)


def _acknowledge(options: argparse.Namespace) -> int:
    return answer(options, asks.acknowledge_anomaly(options.id, reason=options.reason), _print_anomaly)


def _label(options: argparse.Namespace) -> int:
    label = None if options.label == "none" else options.label
    return answer(options, asks.label_anomaly(options.id, label, note=options.note), _print_anomaly)


def _tuning(options: argparse.Namespace) -> int:
    return answer(options, asks.anomalies(limit=1), _print_tunings)


def _print_anomalies(screen: Console, found: Anomalies) -> None:
    rows = [
        (one.id, Text(one.severity, STYLES[one.severity]), Text(one.title, overflow="fold"),
         "" if one.excess is None else dollars(one.excess, 0), when(one.began_at), _standing(one))
        for one in found.anomalies
    ]  # fmt: skip
    columns = ("Anomaly", "Severity", "What", "Excess", "Since", "How it stands")
    screen.print(table(columns, rows, right=("Excess",)) if rows else "Nothing unusual.")


def _standing(one: AnomalyState) -> str:
    said = [f"taken on by {one.acknowledged_by}"] if one.acknowledged_by else []
    said += [one.label] if one.label else []
    if one.response is not None and one.response_ended_at is None:
        said.append(f"{one.response} hold" if one.response == "steps" else "has begun an emergency")
    stands = "goes on" if one.open else f"over since {when(one.ended_at)}"
    return ", ".join([stands, *said])


def _print_anomaly(screen: Console, one: AnomalyState) -> None:
    screen.print(Text(f"{one.severity.capitalize()}: {one.title}", STYLES[one.severity]))
    screen.print(f"{one.id}, {one.kind}: {_standing(one)}")
    for line in one.lines:
        screen.print(line, markup=False)
    if one.note:
        screen.print(f"{one.labelled_by} says it was {one.label}: {one.note}", markup=False)
    rows = [
        (each.dimension, Text(each.value or "(none)", overflow="fold"), dollars(each.actual, 0),
         dollars(each.expected, 0), dollars(each.excess, 0), "" if each.share is None else f"{each.share:.0%}",
         dollars(each.more_calls, 0), dollars(each.bigger_calls, 0), dollars(each.dearer_tokens, 0))
        for each in one.contributors
    ]  # fmt: skip
    if rows:
        figures = ("Actual", "Expected", "Excess", "Share", "More calls", "Bigger calls", "Dearer tokens")
        screen.print(table(("Of", "Which", *figures), rows, right=figures))


def _print_tunings(screen: Console, found: Anomalies) -> None:
    rows = [
        (one.metric, Text(_whom(one), overflow="fold"), str(one.real), str(one.false), f"{one.factor:g} ×")
        for one in found.tunings
    ]
    columns = ("Metric", "Of", "Real", "False", "Threshold")
    nothing = "No labels: thresholds are as they are set."
    screen.print(table(columns, rows, right=("Real", "False", "Threshold")) if rows else nothing)


def _whom(one: TuningState) -> str:
    return " ".join(f"{name}={value or '-'}" for name, value in one.scope.items()) or "everybody"
