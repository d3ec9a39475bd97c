"""A company's calls, some of which the ledger has, and the bill that a simulated provider makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from tollkeeper.insight.reconcile.account import PRESETS, Account, Kind
from tollkeeper.insight.reconcile.cell import Cell
from tollkeeper.insight.reconcile.line import InvoiceLine, nano_usd
from tollkeeper.insight.reconcile.reconcile import Reconciliation, Recorded, Terms, reconcile
from tollkeeper.insight.reconcile.recorded import NONE, Sums
from tollkeeper.sidecar.invoices.sources import fetch
from tollkeeper.simulator import Simulator
from tollkeeper.simulator.bill import DAY, HOUR, ITEMS, Use, prices_of

DAYS = 8
LAST = date(2026, 9, 20)
FIRST = LAST - timedelta(days=DAYS - 1)
START = (FIRST - date(1970, 1, 1)).days * DAY
NOW = START + (DAYS + 2) * DAY
WINDOW = [FIRST + timedelta(days=number) for number in range(DAYS)]

MODELS: dict[Kind, Sequence[str]] = {
    "openai": ("gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06", "gpt-5-2025-08-07"),
    "anthropic": ("claude-haiku-4-5-20251001", "claude-sonnet-4-5-20250929"),
    "openrouter": ("openai/gpt-4.1-2025-04-14", "openai/gpt-5-mini-2025-08-07"),
}
BASES: dict[Kind, str] = {"openai": "/v1", "anthropic": "", "openrouter": "/api/v1"}
KEYS: dict[Kind, str] = {"openai": "sk-admin-1", "anthropic": "sk-ant-admin-1", "openrouter": "sk-or-1"}


def calls(kind: Kind, seed: int, days: int = DAYS) -> list[Use]:
    """More by day than by night, each day another number; the two days around them, too."""
    chance = random.Random(seed)
    made = []
    for day in range(-1, days + 1):
        busy = chance.uniform(0.5, 1.5)
        for model in MODELS[kind]:
            for hour in range(24):
                number = chance.randrange(int(2 + 4 * busy * (1 + (7 <= hour < 19))))
                begins = START + day * DAY + hour * HOUR
                made += [_call(kind, model, begins + chance.randrange(HOUR), chance) for _ in range(number)]
    return made


def _call(kind: Kind, model: str, at: int, chance: random.Random) -> Use:
    read = chance.randrange(500, 4000)
    written = chance.randrange(200) if kind == "anthropic" else 0
    return Use(at, kind, model, read, chance.randrange(20, 900), chance.randrange(read // 3), written,
               key=f"key_{chance.choice('ab')}")  # fmt: skip


def has(uses: Iterable[Use], provider: str | None = None) -> Recorded:
    """The ledger of these calls, each priced as in the list."""
    hours: dict[tuple[str, str], dict[int, Sums]] = {}
    for use in uses:
        prices = prices_of(use.model)
        cost = nano_usd(sum(getattr(use, item) * prices[item] for item in ITEMS) / 10**6)
        sums = Sums(1, use.input, use.cache_read, use.cache_write_5m + use.cache_write_1h, use.output, cost)
        ours = hours.setdefault((provider or use.provider, use.model), {})
        ours[use.at // HOUR] = ours.get(use.at // HOUR, NONE).plus(sums)
    return Recorded(hours)


def account(kind: Kind, simulator: Simulator, key: str) -> Account:
    preset = PRESETS[kind]
    return Account(kind, kind, key, simulator.url + BASES[kind], preset.provider, 35, 0)


def billed(kind: Kind, made: Sequence[Use], **knobs: Any) -> list[InvoiceLine]:
    """What the provider's own API says of the window."""
    with Simulator(seed=1, clock=lambda: NOW, **knobs) as simulator:
        simulator.meter.add(made)
        return fetch(account(kind, simulator, KEYS[kind]), FIRST, LAST, sleep=lambda _: None)


def compared(
    kind: Kind, made: Sequence[Use], seen: Callable[[Use], bool] = lambda _: True, **knobs: Any
) -> Reconciliation:
    """The bill of all that was made against a ledger of what was seen."""
    lines = billed(kind, made, **knobs)
    return judged(kind, lines, [use for use in made if seen(use)])


def judged(kind: Kind, lines: list[InvoiceLine], seen: Iterable[Use], **terms: Any) -> Reconciliation:
    return reconcile(lines, has(seen), WINDOW, Terms(kind, LAST + timedelta(days=1), **terms))


def causes(found: Reconciliation) -> dict[str, int]:
    """How often each is the weightiest."""
    counts: dict[str, int] = {}
    for cell in found.cells:
        name = "none" if cell.cause is None else cell.cause.kind
        counts[name] = counts.get(name, 0) + 1
    return counts


def main_cause(found: Reconciliation) -> str:
    counts = causes(found)
    return max(counts, key=lambda name: counts[name])


def sums_up(cell: Cell) -> bool:
    """Whether the effects of the causes are the difference, to the nano-dollar."""
    return sum(cause.nano_usd or 0 for cause in cell.causes) == (cell.difference or 0)
