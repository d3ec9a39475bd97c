"""`tollkeeper emergency [status|enter|leave]`: whether there is one; to begin it; to end it, which only people do."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.connection import add_connection, answer, console, run
from tollkeeper.cli.tables import when
from tollkeeper.client import emergencies as asks
from tollkeeper.client.emergencies import EmergencyState

OWNER = "tollkeeper emergency"


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper emergency", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    _verb(verbs, "status", "whether there is one; without a verb, this is meant", _status)
    for name, meaning, do in (("enter", "begin one", _enter), ("leave", "end it", _leave)):
        _verb(verbs, name, meaning, do).add_argument("--reason", required=True, help="why, for the audit trail")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("emergency", parser(), arguments, meant="status")


def _verb(verbs: Any, name: str, meaning: str, do: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(name, help=meaning, description=meaning)
    add_connection(made)
    made.add_argument(
        "--counters", metavar="URL", help="of apps without a sidecar: sqlite:///FILE or redis://HOST:PORT/DB"
    )
    made.set_defaults(do=do)
    return made


def _status(options: argparse.Namespace) -> int:
    return _turned(options, None) if options.counters else answer(options, asks.emergency(), _print)


def _enter(options: argparse.Namespace) -> int:
    return _turned(options, True) if options.counters else answer(
        options, asks.enter_emergency(reason=options.reason), _print
    )  # fmt: skip


def _leave(options: argparse.Namespace) -> int:
    return _turned(options, False) if options.counters else answer(
        options, asks.leave_emergency(reason=options.reason), _print
    )  # fmt: skip


def _turned(options: argparse.Namespace, to: bool | None) -> int:
    """In the counters themselves. They have no audit trail: the apps' logs tell of it."""
    from tollkeeper.storage.counters import CountersUnavailable  # noqa: PLC0415  a sidecar's users need not load them
    from tollkeeper.storage.counters.opening import open_counters  # noqa: PLC0415  the same
    from tollkeeper.storage.emergency import EmergencySwitch  # noqa: PLC0415  the same

    counters = open_counters(options.counters)
    try:
        switch = EmergencySwitch(counters, OWNER)
        if to is not None:
            _ = switch.enter() if to else switch.leave()
        _tell(console(), switch.is_on())
    except CountersUnavailable as away:
        raise ValueError(str(away)) from away
    finally:
        counters.close()
    return 0


def _print(screen: Console, state: EmergencyState) -> None:
    _tell(screen, state.active)
    if state.last_change is not None:
        change = state.last_change
        done = "begun" if change.action == "enter" else "ended"
        screen.print(f"last {done} by {change.author} at {when(change.at)}: {change.reason}")
    if not state.declared:
        screen.print("The policy does not say what is done in one.")


def _tell(screen: Console, is_on: bool) -> None:
    screen.print(Text("EMERGENCY", "bold red") if is_on else Text("no emergency", "green"))
