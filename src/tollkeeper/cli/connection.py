"""What the verbs that ask the sidecar have in common: their flags, the asking, and how errors are told."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rich.console import Console

from tollkeeper.client import ApiError, Client, KeyRefused
from tollkeeper.client.ask import Ask
from tollkeeper.client.transport import TIMEOUT_SECONDS
from tollkeeper.config.client import DEFAULT_URL, ENVIRONMENT_KEY, ENVIRONMENT_URL

T = TypeVar("T")
Do = Callable[[argparse.Namespace], int]
"""What a verb does; it returns the exit code."""

DIMENSIONS = ("provider", "model", "operation", "tenant", "project", "user", "service", "feature", "config")
WIDTH_WITHOUT_TERMINAL = 160


def add_connection(flags: argparse.ArgumentParser) -> None:
    """Where to ask, and how to answer."""
    group = flags.add_argument_group("the sidecar")
    group.add_argument("--url", help=f"http://… or unix:///… (default: ${ENVIRONMENT_URL}, else {DEFAULT_URL})")
    group.add_argument("--key", help=f"the API key (default: ${ENVIRONMENT_KEY})")
    group.add_argument("--json", action="store_true", help="the API's answer as it is, exact, on one line")


def add_range(flags: argparse.ArgumentParser) -> None:
    """Which time."""
    flags.add_argument("--days", type=int, help="the last so many days, today included")
    flags.add_argument("--start", metavar="WHEN", help="a day or a moment, such as 2026-01-31 or 2026-01-31T08:00Z")
    flags.add_argument("--end", metavar="WHEN", help="a day, which is included, or a moment, which is not")
    flags.add_argument("--zone", help="whose days these are, such as Europe/Berlin (default: UTC)")


def add_filters(flags: argparse.ArgumentParser) -> None:
    """Which calls."""
    group = flags.add_argument_group("only the calls of", "several times: any of them; '': those without one")
    for name in DIMENSIONS:
        group.add_argument(f"--{name}", action="append", metavar="NAME")


def add_verb(verbs: Any, name: str, meaning: str, do: Do) -> argparse.ArgumentParser:
    """One of several verbs; `verbs` is of argparse. Its own flags are to be added to what is returned."""
    made: argparse.ArgumentParser = verbs.add_parser(name, help=meaning, description=meaning)
    add_connection(made)
    made.set_defaults(do=do)
    return made


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options of these names, as arguments of a question."""
    return {name: getattr(options, name) for name in names}


def narrowed(options: argparse.Namespace) -> Mapping[str, Any]:
    """The range and the filters, as arguments of a question."""
    return given(options, "days", "start", "end", "zone", *DIMENSIONS)


def console() -> Console:
    """Where tables go. Names are shown as they are: a glob such as `gpt-[45]` is no markup."""
    made = Console(highlight=False, markup=False)
    return made if made.is_terminal else Console(highlight=False, markup=False, width=WIDTH_WITHOUT_TERMINAL)


def answer(
    options: argparse.Namespace, ask: Ask[T], show: Callable[[Console, T], None], seconds: float = TIMEOUT_SECONDS
) -> int:
    """Ask, wait so long for the answer, and show it. Returns the exit code."""
    with Client(options.url, options.key, seconds) as client:
        if options.json:
            print(client.fetch(ask))
        else:
            show(console(), client.send(ask))
    return 0


def run(verb: str, flags: argparse.ArgumentParser, arguments: Sequence[str] | None, meant: str | None = None) -> int:
    """Do what the arguments say, of several verbs what is `meant` if none is named. What is wrong is told in a line."""
    asked = list(arguments or ())
    if meant is not None and (not asked or (asked[0].startswith("-") and asked[0] not in ("-h", "--help"))):
        asked.insert(0, meant)
    options = flags.parse_args(asked)
    try:
        return int(options.do(options))
    except KeyRefused as error:
        hint = f"give one with --key or {ENVIRONMENT_KEY}; `tollkeeper keys create` makes one"
        print(f"tollkeeper {verb}: {error}\n{hint}", file=sys.stderr)
    except (ApiError, ValueError) as error:
        print(f"tollkeeper {verb}: {error}", file=sys.stderr)
    except BrokenPipeError:
        # Who reads has seen enough, as `head` does; what is left would be flushed, and fail again, at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
