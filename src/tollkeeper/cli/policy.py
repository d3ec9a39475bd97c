"""`tollkeeper policy …`: whether a policy file is right, what is in force in a sidecar, and what a file would do."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from tollkeeper.cli.connection import console, run
from tollkeeper.cli.policy_doubts import doubts_about
from tollkeeper.cli.policy_served import add_verbs
from tollkeeper.cli.policy_shown import summary_of, tables_of
from tollkeeper.cli.reading import reading
from tollkeeper.policy import Policy
from tollkeeper.policy.document import policy_document, read_policy, write_toml
from tollkeeper.policy.mistakes import PolicyError
from tollkeeper.policy.presets import PRESETS, limits_of_preset

_reading = reading("policy", PolicyError)


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper policy", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    check = verbs.add_parser(
        "check", help="its limits, ladders and fallbacks; or everything that is wrong with it, and exit code 2"
    )
    check.add_argument("file", type=Path, help="TOML; or JSON, if its name ends so")
    check.add_argument("--json", action="store_true", help="the policy as the API takes it, presets written out")
    check.set_defaults(do=_reading(_check))
    presets = verbs.add_parser("presets", help="limits to begin with, as TOML to put in a policy file")
    presets.add_argument("name", nargs="?", choices=PRESETS, help="only this one, as a file of its own")
    presets.set_defaults(do=_presets)
    add_verbs(verbs, _reading)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("policy", parser(), arguments)


def _check(options: argparse.Namespace) -> int:
    policy = read_policy(options.file.read_bytes(), str(options.file))
    if options.json:
        print(json.dumps(policy_document(policy), ensure_ascii=False))
        return 0
    screen = console()
    for part in tables_of(policy):
        screen.print(part)
    screen.print(Text(summary_of(policy), "green"))
    for doubt in doubts_about(policy):
        screen.print(Text(f"Warning: {doubt}.", "yellow"))
    return 0


def _presets(options: argparse.Namespace) -> int:
    names = [options.name] if options.name else PRESETS
    print("\n".join(_block(name) for name in names), end="")
    return 0


def _block(name: str) -> str:
    written = write_toml(Policy(name, limits_of_preset(name)))
    return f'# {name}: the same as preset = "{name}" in the table [policy].\n{written}'
