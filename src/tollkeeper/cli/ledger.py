"""`tollkeeper ledger …`: whether the ledger is sound, and its sums made from its calls again. Without a sidecar."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from tollkeeper.cli.connection import console, run
from tollkeeper.cli.opening import opened
from tollkeeper.cli.tables import table
from tollkeeper.config import SERVE_DEFAULTS
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.ledger.tables import NS_A_DAY
from tollkeeper.storage.policies import PolicyStore
from tollkeeper.storage.prices import PriceBook

FOR_EVER = 2**63 - 1
SHOWN = 20


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper ledger", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    check = verbs.add_parser("check", help="sums, price book and audit trail; exit code 1 if one of them is not sound")
    rebuild = verbs.add_parser("rebuild", help="make the hourly and daily sums from the calls again")
    for one, do in ((check, _check), (rebuild, _rebuild)):
        one.add_argument("--ledger", metavar="URL", default=SERVE_DEFAULTS.ledger, help="default: %(default)s")
        one.add_argument("--days", type=int, help="the last so many days only")
        one.add_argument("--json", action="store_true", help="on one line")
        one.set_defaults(do=do)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("ledger", parser(), arguments)


def _check(options: argparse.Namespace) -> int:
    database = opened(options.ledger)
    differences = SqlLedger(database).check_rollups(_start(options), FOR_EVER)
    broken = PriceBook(database).broken()
    policies = PolicyStore(database).broken()
    unsound_at = AuditTrail(database).verify().broken_at
    found = {
        "rollups": [
            {"table": one.table, "bucket": one.bucket, "group": one.group, "kept": one.kept._asdict(),
             "true": one.true._asdict()}
            for one in differences
        ],
        "prices": broken,
        "policy": policies,
        "audit": unsound_at,
    }  # fmt: skip
    if options.json:
        print(json.dumps(found))
    else:
        _show(found)
    return 1 if differences or broken or policies or unsound_at is not None else 0


def _rebuild(options: argparse.Namespace) -> int:
    ledger = SqlLedger(opened(options.ledger))
    start = _start(options)
    wrong = len(ledger.check_rollups(start, FOR_EVER))
    ledger.rebuild_rollups(start, FOR_EVER)
    left = len(ledger.check_rollups(start, FOR_EVER))
    if options.json:
        print(json.dumps({"wrong_before": wrong, "wrong_after": left}))
    else:
        console().print(f"{wrong} sums were wrong, {left} are now")
    return 1 if left else 0


def _start(options: argparse.Namespace) -> int:
    return 0 if options.days is None else (time.time_ns() // NS_A_DAY - options.days + 1) * NS_A_DAY


def _show(found: dict[str, Any]) -> None:
    shown = console()
    wrong = found["rollups"]
    if wrong:
        rows = [
            (one["table"], str(one["bucket"]), ", ".join(filter(None, one["group"])), name, str(kept), str(true))
            for one in wrong[:SHOWN]
            for (name, kept), true in zip(one["kept"].items(), one["true"].values(), strict=True)
            if kept != true
        ]
        shown.print(table(("Table", "Bucket", "Of", "Sum", "Kept", "True"), rows, ("Kept", "True")))
    sound = Text("sound", "green")
    shown.print(
        "sums:        ", Text(f"{len(wrong)} are wrong; `tollkeeper ledger rebuild`", "red") if wrong else sound
    )
    for name, versions in (("price book:  ", found["prices"]), ("policy:      ", found["policy"])):
        changed = ", ".join(map(str, versions))
        shown.print(name, Text(f"versions {changed} were changed or removed", "red") if changed else sound)
    at = found["audit"]
    shown.print("audit trail: ", sound if at is None else Text(f"entry {at} was changed or removed", "red"))
