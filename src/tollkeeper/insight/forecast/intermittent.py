"""For what is used on some days only: how often, times how much.

After Teunter, Syntetos and Babai, "Intermittent demand: linking forecasting to inventory obsolescence" (2011): unlike
Croston's, it falls while nothing is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tollkeeper.insight.forecast.days import Days
from tollkeeper.insight.forecast.method import Ahead, Method

OFTEN, MUCH = 0.05, 0.1
"""How much of what a day teaches is believed."""
LEAST: Final = 7


def _ahead(days: Days, origins: Sequence[int], length: int) -> list[Ahead]:
    start = [amount for amount in days.tamed[:LEAST] if amount]
    often = len(start) / LEAST
    much = sum(start) / len(start) if start else 0.0
    found, wanted = [], set(origins)
    if LEAST in wanted:
        found.append([often * much] * length)
    for at in range(LEAST, len(days)):
        amount = days.tamed[at]
        often += OFTEN * ((amount > 0) - often)
        if amount:
            much += MUCH * (amount - much) if much else amount
        if at + 1 in wanted:
            found.append([often * much] * length)
    return found


METHODS = (Method("intermittent", LEAST, _ahead),)
