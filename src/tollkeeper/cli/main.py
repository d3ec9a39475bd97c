"""`tollkeeper VERB …`: finds the verb's module, and leaves the rest of the line to it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from tollkeeper.version import __version__

VERBS = {
    "serve": "the sidecar: receives every call, prices it, keeps it, and answers questions about it",
    "usage": "what was used and what it cost, by model, tenant, day and so on",
    "report": "a report as a page, a PDF, a table or FOCUS: costs by day, providers, budgets, a tenant's statement",
    "calls": "the log of calls; with an id, how the cost of one comes about",
    "providers": "how providers and models do, compared with each other and with what is expected; error budgets",
    "reconcile": "whether the ledger agrees with what providers bill, and why not; exports of consoles; booking it",
    "patterns": "when calls are made, by whom, how spend is spread, and what was paid for in vain",
    "prices": "your own prices: list, add, change, schedule, history; models without one; pricing the past again",
    "policy": "limits: check a policy file, see and set what is in force, test one against the past; presets",
    "limits": "how limits stand, for whom, and what calls under way hold; whether a call would be admitted",
    "emergency": "whether there is one; to begin it, and to end it, which only people do",
    "alerts": "what fires, and who was told; to take it on, silence it, and try again what could not be delivered",
    "forecast": "where this day, week or month will end, how surely, and when budgets are used up",
    "anomalies": "what is unusual, and why; to take it on, and to say whether it was real",
    "channels": "where alerts are told: list, set, remove, try; check a file of them",
    "recommendations": "what could be cheaper, by how much, and how; to take advice or not; whether it saved",
    "what-if": "what the past would have cost with other models, in another tier, or with more from a cache",
    "keys": "keys to the sidecar's API: create, list, revoke",
    "users": "people who sign in to the web page: create, roles, passwords; who is signed in",
    "ledger": "whether the ledger is sound; its sums made from its calls again",
    "export": "the calls of the ledger as Parquet, CSV or JSON lines",
    "demo": "a simulated provider, an app that uses it, and what Tollkeeper sees of it",
}
"""Each is a module `tollkeeper.cli.<verb>` with `main(arguments) -> exit code`."""
EXTRAS = {
    "serve": "sidecar",
    "usage": "client",
    "report": "client",
    "calls": "client",
    "providers": "client",
    "reconcile": "client",
    "patterns": "client",
    "prices": "client",
    "policy": "client",
    "limits": "client",
    "emergency": "client",
    "alerts": "client",
    "forecast": "client",
    "anomalies": "client",
    "channels": "client",
    "recommendations": "client",
    "what-if": "client",
    "keys": "sidecar",
    "users": "client",
    "ledger": "sidecar",
    "export": "parquet",
}
"""What is to be installed for a verb, if it is not named like it."""


def parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {verb:<15} {meaning}" for verb, meaning in VERBS.items())
    made = argparse.ArgumentParser(
        prog="tollkeeper",
        description=f"verbs:\n{lines}",
        epilog="`tollkeeper VERB --help` tells a verb's options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"tollkeeper {__version__}")
    made.add_argument("verb", choices=VERBS, metavar="VERB")
    made.add_argument("arguments", nargs=argparse.REMAINDER, metavar="…")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        verb = importlib.import_module(f"tollkeeper.cli.{given.verb.replace('-', '_')}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("tollkeeper"):
            raise
        print(
            f"tollkeeper {given.verb} needs {missing.name}, which is not installed:"
            f" pip install 'tollkeeper[{EXTRAS.get(given.verb, given.verb)}]'",
            file=sys.stderr,
        )
        return 1
    return int(verb.main(given.arguments))


if __name__ == "__main__":
    sys.exit(main())
