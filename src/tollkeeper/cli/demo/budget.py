"""The demo's limits: what became of the agent that ran away, and of everybody else."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import tollkeeper
from tollkeeper.cli.demo.alerts import Listener
from tollkeeper.cli.demo.app import App
from tollkeeper.cli.demo.plan import RUNAWAY
from tollkeeper.cli.demo.screen import dollars
from tollkeeper.cli.demo.summary import Check
from tollkeeper.cli.demo.tally import Tally

LIMIT = "agents"
POLICY = Path(__file__).with_name("policy.toml")
ROWS = {"": "as it asked for", "cheaper": "with a cheaper model", "cap_output": "with a cheaper model, cut short"}


def check(tally: Tally, handle: tollkeeper.Instrumentation, listener: Listener) -> list[Check]:
    """Hold what the agent has spent against its budget, and what the limit and the sidecar's alerts say of it."""
    (status,) = handle.limits(user=RUNAWAY.user)
    spent = sum((row.usd for row in tally.runaway.values()), Decimal(0))
    used, budget = Decimal(status.used).scaleb(-9), Decimal(status.limit.amount).scaleb(-9)
    reached = max((at for at in status.limit.at if used * 100 >= budget * at), default=0)
    told = listener.wait_for(LIMIT, reached) if reached else 0
    return [
        Check(
            "The agent's budget: what it has used, and the amount", dollars(used, 9), dollars(budget, 9), used <= budget
        ),
        Check("What it has used: recorded, and by its limit", dollars(spent, 9), dollars(used, 9), spent == used),
        Check("How far it is used: what a webhook was told", f"{reached}%", f"{told}%", told == reached),
    ]


def show(console: Console, tally: Tally, app: App) -> None:
    """The agent's day, step by step, and the word that it had last."""
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title="An agent ran away", title_justify="left", title_style="bold"
    )
    for name in (f"Calls of {RUNAWAY.user}", "", "Cost"):
        table.add_column(name, justify="right" if name != f"Calls of {RUNAWAY.user}" else "left")
    for step, what in ROWS.items():
        row = tally.runaway.get(step)
        if row is not None:
            table.add_row(f"sent {what}", f"{row.calls:,}", dollars(row.usd, 4))
    table.add_row("denied, and not sent", f"{app.denied[RUNAWAY.user]:,}", "")
    console.print(table)
    if app.last_denied is not None:
        console.print(Text(str(app.last_denied), "yellow"), soft_wrap=True)
    others = app.denied.total() - app.denied[RUNAWAY.user]
    console.print(f"Calls of all others that were denied: {others}.", highlight=False)
