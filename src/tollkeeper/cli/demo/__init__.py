"""`tollkeeper demo`: a day of LLM calls in half a minute, and what Tollkeeper sees of it. No key, no network."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import openai
from rich.console import Console

import tollkeeper
from tollkeeper.cli.demo import alerts, budget, insight, summary
from tollkeeper.cli.demo.alerts import Listener
from tollkeeper.cli.demo.app import App
from tollkeeper.cli.demo.books import keep_books
from tollkeeper.cli.demo.crew import Crew
from tollkeeper.cli.demo.office import Office
from tollkeeper.cli.demo.plan import day, days
from tollkeeper.cli.demo.screen import Screen
from tollkeeper.cli.demo.tally import LIVE, Tally
from tollkeeper.simulator import Simulator

LIVE_MODEL = "gpt-4o-mini"
PATIENCE_SECONDS = 15.0
"""For the calls that are still in flight at the end."""
FLUSH_SECONDS = 20.0
"""For the calls that are still on their way to the ledger."""
REDRAW_SECONDS = 0.15
WIDTH_WITHOUT_TERMINAL = 120


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper demo", description=__doc__)
    flags.add_argument("--seconds", type=float, default=24.0, help="how long a day takes (default: %(default)g)")
    flags.add_argument("--forever", action="store_true", help="day after day, until Ctrl-C")
    flags.add_argument("--live", action="store_true", help="one real call as well, with your OPENAI_API_KEY")
    flags.add_argument("--seed", type=int, default=1, help="another seed, another day")
    flags.add_argument("--metrics-port", type=int, default=0, help="of /metrics (default: any free one)")
    flags.add_argument("--metrics-host", default="127.0.0.1", help="of /metrics (default: %(default)s)")
    flags.add_argument("--no-past", action="store_true", help="without a company's past, and what is made of it")
    flags.add_argument(
        "--report", type=Path, default=Path("tollkeeper-report.pdf"), help="the report's file (default: %(default)s)"
    )
    flags.add_argument("--page", action="store_true", help="then keep the page of that company up, until Ctrl-C")
    flags.add_argument("--plain", action="store_true", help="lines instead of a live table, as without a terminal")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    # As the first process of a container it would otherwise not hear that it is to end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_WITHOUT_TERMINAL)
    try:
        holds = _run(console, options)
        if not (options.no_past or options.forever):
            holds = insight.show(console, options.report, options.page) and holds
        return 0 if holds else 1
    except (tollkeeper.ConfigurationError, RuntimeError) as error:
        print(f"tollkeeper demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(console: Console, options: argparse.Namespace) -> bool:
    """A day; whether all of it adds up."""
    with (
        Simulator(
            seed=options.seed, error_rate=0.02, error_status=(429, 500, 503), retry_after=0.3, keep=20
        ) as simulator,
        Listener() as listener,
        Office(budget.POLICY, listener.channels) as office,
    ):
        books = keep_books(simulator)
        tally = Tally(books)
        with tollkeeper.instrument(
            on_call=tally,
            prometheus_port=options.metrics_port,
            prometheus_host=options.metrics_host,
            service_name="demo",
            sidecar=office.url,
            spool=office.spool,
            policy=budget.POLICY,
            counters="memory:",
        ) as handle:
            jobs = days(options.seconds, options.seed) if options.forever else day(options.seconds, options.seed)
            live_problem = _make_live_call() if options.live else None
            screen = Screen(
                console, tally, handle.metrics_url or "", office.url, None if options.forever else options.seconds
            )
            app = App(simulator)
            crew = Crew(app, jobs, screen.began)
            all_ended = _watch(crew, screen, plain=options.plain or not console.is_terminal)
            handle.flush(FLUSH_SECONDS)
            stats = office.stats()
            found = [
                *summary.check(tally, crew, app.denied.total(), handle.metrics_url or "", all_ended),
                *summary.check_ledger(tally, stats),
                *budget.check(tally, handle, listener),
            ]
            budget.show(console, tally, app)
            alerts.show(console, listener)
            summary.show(console, tally, crew, found, live_problem)
            summary.show_ledger(console, office.url, stats)
            return all(check.holds for check in found)


def _watch(crew: Crew, screen: Screen, plain: bool) -> bool:
    """Show the day until it is over, or Ctrl-C. False: some calls have not ended."""
    crew.start()
    with screen.live(plain):
        try:
            while not crew.wait(REDRAW_SECONDS):
                screen.draw(crew.in_flight)
        except KeyboardInterrupt:
            screen.note("Stopping: waiting for the calls in flight.")
        all_ended = crew.stop(PATIENCE_SECONDS)
        screen.draw(crew.in_flight)
    return all_ended


def _make_live_call() -> str | None:
    """One real call. Returns why there was none."""
    try:
        with tollkeeper.tags(tenant=LIVE, feature="live"):
            openai.OpenAI().chat.completions.create(
                model=LIVE_MODEL,
                messages=[{"role": "user", "content": "Say hello in five words."}],
                max_completion_tokens=20,
            )
    except openai.OpenAIError as error:
        return f"The real call failed: {error}"
    return None
