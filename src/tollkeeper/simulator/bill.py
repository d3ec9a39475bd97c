"""What a simulated provider writes down of each call, and what it bills for it: as it is, or as the knobs have it.

Usage is kept by second; a bill is made of it whenever somebody asks. Prices are list prices in US dollars a million
tokens.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from tollkeeper.simulator.knobs import Knobs

HOUR, DAY = 3600, 86_400
MILLION = Decimal(10) ** 6
OTHERS = "others"
"""In the names of the key and the project of the client that `bill_others` adds."""
BATCH_FACTOR = Decimal("0.5")

Item = str
INPUT_ITEMS: tuple[Item, ...] = ("input", "cache_read", "cache_write_5m", "cache_write_1h")
ITEMS: tuple[Item, ...] = (*INPUT_ITEMS, "output")
"""They are disjoint: `input` is what no cache had."""


class Use(NamedTuple):
    """What one call used. `at` is in seconds since the epoch; `kind` says what was called, such as `embeddings`."""

    at: int
    provider: str
    model: str
    input: int
    output: int
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    kind: str = "completions"
    tier: str = "standard"
    key: str = "key_app"
    project: str = "proj_default"
    requests: int = 1


@dataclass(frozen=True, slots=True)
class Charge:
    """What is billed of one key's use of a model in one tariff, from `start` on. Amounts are dollars, by item."""

    start: int
    provider: str
    kind: str
    model: str
    tier: str
    key: str
    project: str
    requests: int
    tokens: Mapping[Item, int]
    amounts: Mapping[Item, Decimal]


PRICES: Mapping[str, str] = {
    "gpt-4o-2024-08-06": "2.5 1.25 0 0 10",
    "gpt-4o-mini-2024-07-18": "0.15 0.075 0 0 0.6",
    "gpt-4.1-2025-04-14": "2 0.5 0 0 8",
    "gpt-4.1-mini-2025-04-14": "0.4 0.1 0 0 1.6",
    "gpt-4.1-nano-2025-04-14": "0.1 0.025 0 0 0.4",
    "gpt-5-2025-08-07": "1.25 0.125 0 0 10",
    "gpt-5-mini-2025-08-07": "0.25 0.025 0 0 2",
    "gpt-5-nano-2025-08-07": "0.05 0.005 0 0 0.4",
    "o3-2025-04-16": "2 0.5 0 0 8",
    "o3-mini-2025-01-31": "1.1 0.55 0 0 4.4",
    "o4-mini-2025-04-16": "1.1 0.275 0 0 4.4",
    "gpt-3.5-turbo-instruct:20230824-v2": "1.5 1.5 0 0 2",
    "text-embedding-3-small": "0.02 0.02 0 0 0",
    "text-embedding-3-large": "0.13 0.13 0 0 0",
    "omni-moderation-latest": "0 0 0 0 0",
    "claude-opus-4-1-20250805": "15 1.5 18.75 30 75",
    "claude-sonnet-4-20250514": "3 0.3 3.75 6 15",
    "claude-sonnet-4-5-20250929": "3 0.3 3.75 6 15",
    "claude-haiku-4-5-20251001": "1 0.1 1.25 2 5",
    "claude-3-5-haiku-20241022": "0.8 0.08 1 1.6 4",
}
"""Input, cache read, cache write for 5 minutes, for an hour, and output."""
UNLISTED = "1 0.5 1.25 2 4"


def prices_of(model: str) -> Mapping[Item, Decimal]:
    """Of a million tokens. A model that is not listed costs something, too."""
    listed = PRICES.get(model) or PRICES.get(model.rpartition("/")[2]) or UNLISTED
    return dict(zip(ITEMS, map(Decimal, listed.split()), strict=True))


class Meter:
    """What was used, of the last so many calls. Shared by the threads that answer."""

    def __init__(self, most: int = 200_000) -> None:
        self._uses: deque[Use] = deque(maxlen=most)
        self._lock = threading.Lock()
        self._pending = threading.local()

    def count(self, model: str, input: int, output: int, cached: int = 0, written: int = 0) -> None:
        """Note what an answer uses, while it is being made. Another choice of the same answer adds its output only."""
        known: Use | None = getattr(self._pending, "use", None)
        if known is None:
            self._pending.use = Use(0, "", model, input - cached - written, output, cached, written)
        else:
            self._pending.use = known._replace(output=known.output + output)

    def finish(self) -> Use | None:
        """What was noted since the last time, in this thread."""
        use, self._pending.use = getattr(self._pending, "use", None), None
        return use

    def add(self, uses: Iterable[Use]) -> None:
        """Write down what was used: by an answer, or in a past that is made up."""
        with self._lock:
            self._uses.extend(uses)

    def uses(self) -> list[Use]:
        """In the order in which they were written down."""
        with self._lock:
            return list(self._uses)


def bill(uses: Iterable[Use], knobs: Knobs, now: int, width: int = DAY) -> list[Charge]:
    """What is billed, by intervals of so many seconds: sorted, and as wrong as the knobs say."""
    sums: dict[tuple[object, ...], list[int]] = {}
    for use in uses:
        if use.at > now - knobs.bill_late * HOUR:
            continue
        for one in _drifted(use, knobs):
            start = (one.at - knobs.bill_zone * HOUR) // width * width
            place = (start, one.provider, one.kind, one.model, one.tier, one.key, one.project)
            known = sums.setdefault(place, [0] * (1 + len(ITEMS)))
            for index, more in enumerate((one.requests, *(getattr(one, item) for item in ITEMS))):
                known[index] += more
    return [_charge(place, known, knobs) for place, known in sorted(sums.items(), key=lambda each: str(each[0]))]


def _drifted(use: Use, knobs: Knobs) -> Iterator[Use]:
    """The calls that are billed for one that was made: itself, with what nobody else has seen."""
    chance = _chance(use)
    if chance < knobs.bill_batch:
        use = use._replace(tier="batch")
    yield use
    if knobs.bill_extra and _chance(use, "extra") < knobs.bill_extra:
        yield use
    if knobs.bill_others and _chance(use, OTHERS) < knobs.bill_others:
        yield use._replace(key=f"key_{OTHERS}", project=f"proj_{OTHERS}")


def _chance(use: Use, salt: str = "") -> float:
    said = f"{salt}{use.at}{use.model}{use.input}{use.output}{use.cache_read}"
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=4).digest(), "big") / 2**32


def _charge(place: tuple[object, ...], known: list[int], knobs: Knobs) -> Charge:
    start, provider, kind, model, tier, key, project = map(str, place)
    tokens = dict(zip(ITEMS, known[1:], strict=True))
    factor = BATCH_FACTOR if tier in ("batch", "flex") else Decimal(1)
    factor *= Decimal(str(knobs.bill_discount))
    if knobs.bill_model in (None, model):
        factor *= Decimal(str(knobs.bill_price))
    prices = prices_of(model)
    amounts = {item: number * prices[item] * factor / MILLION for item, number in tokens.items()}
    return Charge(int(start), provider, kind, model, tier, key, project, known[0], tokens, amounts)


def rounded(amount: Decimal, knobs: Knobs) -> Decimal:
    """An amount as it is told."""
    return amount if knobs.bill_places is None else round(amount, knobs.bill_places)


def merged(charges: Iterable[Charge], wanted: Iterable[str]) -> list[tuple[Mapping[str, str | None], Charge]]:
    """Charges of one start put together by the wanted fields, and these fields."""
    names = tuple(wanted)
    found: dict[tuple[str, ...], Charge] = {}
    for charge in charges:
        place = tuple(str(getattr(charge, name)) for name in names)
        found[place] = charge if place not in found else _both(found[place], charge)
    return [(dict(zip(names, place, strict=True)), charge) for place, charge in found.items()]


def _both(one: Charge, other: Charge) -> Charge:
    return replace(
        one,
        requests=one.requests + other.requests,
        tokens={item: one.tokens[item] + other.tokens[item] for item in ITEMS},
        amounts={item: one.amounts[item] + other.amounts[item] for item in ITEMS},
    )


def as_number(amount: Decimal) -> float:
    """As a provider that speaks in JSON numbers says it."""
    return float(Fraction(amount))
