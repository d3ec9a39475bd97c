"""The verbs of `tollkeeper policy` that ask a sidecar: what is in force, setting it, its history, and backtests."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.connection import add_verb, answer
from tollkeeper.cli.tables import count, dollars, failures, table, when
from tollkeeper.client import limiting as asks
from tollkeeper.client.standings import Backtested, LimitOutcome, PolicyHistory, PolicySet, PolicyState
from tollkeeper.policy import Policy
from tollkeeper.policy.document import policy_document, read_json, read_policy, write_toml

NUMBERS = ("Calls", "Denied", "Delayed", "Saved")
EXCEEDED = 101
REPLAY_SECONDS = 600.0
"""A million calls take one or two minutes."""
_DAYS = re.compile(r"([0-9]{1,4})d")


def add_verbs(verbs: Any, reading: Callable[[Callable[[argparse.Namespace], int]], Any]) -> None:
    """Add them. `reading` is for those that read a file: it tells what is wrong with it."""
    add_verb(verbs, "show", "the policy in force, as a file", _show)
    put = add_verb(verbs, "set", "put a file in force", reading(_set))
    put.add_argument("file", type=Path, help="TOML; or JSON, if its name ends so")
    put.add_argument("--reason", required=True, help="why, for the audit trail")
    put.add_argument("--expected", type=int, metavar="VERSION", help="only if this version is still in force")
    put.add_argument("--drop-quotas", action="store_true", help="also take away quotas that it does not name itself")
    history = add_verb(verbs, "history", "who has set what, newest first", _history)
    history.add_argument("--limit", type=int, default=50)
    history.add_argument("--cursor", help="where the page before ended")
    test = add_verb(verbs, "test", "what a file would have done to the calls of the past", reading(_test))
    test.add_argument("file", type=Path, help="TOML; or JSON, if its name ends so")
    test.add_argument("--since", default="30d", metavar="WHEN", help="30d, or a day or a moment (default: 30d)")
    test.add_argument("--end", metavar="WHEN", help="a day, which is included, or a moment, which is not")
    test.add_argument("--zone", help="whose days these are, such as Europe/Berlin (default: UTC)")


def _show(options: argparse.Namespace) -> int:
    return answer(options, asks.policy(), _print_policy)


def _set(options: argparse.Namespace) -> int:
    document = policy_document(_read(options.file))
    ask = asks.set_policy(
        document, reason=options.reason, expected=options.expected, drop_quotas=options.drop_quotas
    )  # fmt: skip
    return answer(options, ask, _print_set)


def _history(options: argparse.Namespace) -> int:
    return answer(options, asks.policy_history(cursor=options.cursor, limit=options.limit), _print_history)


def _test(options: argparse.Namespace) -> int:
    document = policy_document(_read(options.file))
    days = _DAYS.fullmatch(options.since)
    since: dict[str, Any] = {"days": int(days[1])} if days else {"start": options.since}
    ask = asks.backtest(document, **since, end=options.end, zone=options.zone)
    return answer(options, ask, _print_test, REPLAY_SECONDS)


def _read(file: Path) -> Policy:
    return read_policy(file.read_bytes(), str(file))


def _policy_of(state: PolicyState) -> Policy:
    return read_json(json.dumps(state.document, default=float), f"version {state.version}")


def _print_policy(screen: Console, state: PolicyState) -> None:
    if not state.version:
        screen.print("# Nobody has set a policy: every call is sent.")
        return
    print(f"# Version {state.version}, by {state.author}, {when(state.recorded_at)}: {state.reason}")
    print(write_toml(_policy_of(state)), end="")


def _print_set(screen: Console, state: PolicySet) -> None:
    number = len(state.document.get("limit", ()))
    limits = f"{number} limit{'' if number == 1 else 's'}"
    screen.print(Text(f"Version {state.version} is in force: {limits}.", "green"))
    if state.kept_quotas:
        screen.print(f"Quotas that were set by themselves stay (see --drop-quotas): {', '.join(state.kept_quotas)}.")


def _print_history(screen: Console, history: PolicyHistory) -> None:
    rows = [
        (str(one.version), when(one.recorded_at), one.author or "", str(len(one.document.get("limit", ()))),
         one.reason or "")
        for one in history.versions
    ]  # fmt: skip
    columns = ("Version", "Set", "By", "Limits", "Why")
    screen.print(table(columns, rows, right=("Version", "Limits")) if rows else "Nobody has set a policy.")
    if history.next_cursor:
        screen.print(f"More: --cursor {history.next_cursor}")


def _print_test(screen: Console, test: Backtested) -> None:
    screen.print(Text(f"{when(test.start)} to {when(test.end)}, {test.zone}", "bold"))
    rows = [_row(one) for one in test.outcomes]
    columns = ("Limit", "For", *NUMBERS, "First denied", "Told at %")
    screen.print(table(columns, rows, right=NUMBERS) if rows else "No call would have come under a limit.")
    if test.more_outcomes:
        screen.print(f"… and {test.more_outcomes:,} more")
    total = Text(f"Of {test.calls:,} calls, {test.denied:,} would have been denied, and {test.delayed:,} have waited. ")
    total.append_text(Text.assemble("Saved: ", dollars(test.saved, test.unknown), " of ", dollars(test.cost), "."))
    screen.print(total)
    if test.degraded:
        otherwise = f"{test.degraded:,} would have been sent otherwise, to another model or cut short. Saved besides: "
        screen.print(Text.assemble(otherwise, dollars(test.degraded_saved, 0), "."))
    if test.emergency_at is not None:
        screen.print(Text(f"An emergency would have begun at {when(test.emergency_at)}, and stayed.", "red"))
    if test.unmeasured:
        told = f"Of {test.unmeasured:,} calls nobody knows the usage: they are taken to have used nothing."
        screen.print(Text(told, "yellow"))
    screen.print("Each call held what it truly used; real calls hold an estimate, and limits deny a little earlier.")


def _row(one: LimitOutcome) -> tuple[Any, ...]:
    scope = " ".join(f"{name}={value or '-'}" for name, value in one.scope.items()) or "all"
    told = " ".join(
        f"{'over' if each.percent == EXCEEDED else each.percent}{f'×{each.times}' if each.times > 1 else ''}"
        for each in one.told
    )
    return (
        f"{one.limit} ({one.form})", scope, str(count(one.calls)), failures(one.denied), failures(one.delayed),
        dollars(one.saved, one.unknown), when(one.first_denied_at), told,
    )  # fmt: skip
