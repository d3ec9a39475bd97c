"""Calls put together into charges: one for each day of UTC, meter, price and set of tags. One day is held at a time.

What a call cost is in the ledger as whole nano-dollars, and its line items as exact products; the cost is parted among
them so that the charges of any calls add up to what the ledger has of them, to the nano-dollar.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from tollkeeper.model import Call, LineItem
from tollkeeper.model.usage import Meter
from tollkeeper.storage.ledger import Adjusted, Kept

DAY: Final = 86_400 * 1_000_000_000
MOST_HELD: Final = 20_000
"""Charges of one day. What comes beyond it makes charges of its own: a charge may then be in several rows."""
LEFT_OUT: Final = frozenset({"user", "session"})
"""Tags that are not told: there would be a charge for nearly every call, and they are about persons."""

Tags = tuple[tuple[str, str], ...]


class Key(NamedTuple):
    """What calls have in common that are one charge. `meter` of `None`: the provider named a sum without its parts."""

    day: int
    provider: str
    model: str
    operation: str
    tier: str
    meter: Meter | None
    unit_price: Decimal | None
    source: str
    price_version: str
    tags: Tags


class Charge(NamedTuple):
    """`quantity` is in the meter's own unit, `nano_usd` what was booked; `requests` is how many calls it is of."""

    key: Key
    quantity: Decimal
    nano_usd: int
    requests: int


class Correction(NamedTuple):
    """By what one re-pricing changed the cost of calls of a day; `at` is the beginning of the day when it was made."""

    day: int
    provider: str
    model: str
    operation: str
    tags: Tags
    at: int
    repricing_id: str
    reason: str
    nano_usd: int
    requests: int


def charges(calls: Iterable[Kept]) -> Iterator[Charge]:
    """The charges of calls that come oldest first; as they were recorded, without corrections.

    Calls whose cost is not known are in none.
    """
    held: dict[Key, tuple[Decimal, int, int]] = {}
    today = -1
    for kept in calls:
        call = kept.call
        day = call.started_at // DAY
        if day != today or len(held) >= MOST_HELD:
            yield from _let_go(held)
            held, today = {}, day
        for key, quantity, nano_usd in _parts(call, day):
            known = held.get(key, (Decimal(0), 0, 0))
            held[key] = known[0] + quantity, known[1] + nano_usd, known[2] + 1
    yield from _let_go(held)


def corrections(adjustments: Iterable[Adjusted]) -> Iterator[Correction]:
    """What corrections come to, day by day; those that change no amount are in none."""
    held: dict[Correction, tuple[int, int]] = {}
    today = -1
    for one in adjustments:
        call = one.call
        day = call.started_at // DAY
        if day != today or len(held) >= MOST_HELD:
            yield from _added(held)
            held, today = {}, day
        key = Correction(
            day,
            call.provider,
            _model(call),
            call.operation,
            tags_of(call),
            one.at // DAY * DAY,
            one.repricing_id,
            one.reason,
            0,
            0,
        )
        nano_usd, requests = held.get(key, (0, 0))
        held[key] = nano_usd + one.delta_nano_usd, requests + 1
    yield from _added(held)


def parted(items: tuple[LineItem, ...], nano_usd: int) -> list[int]:
    """A cost, parted among line items: each has its amount in nano-dollars, rounded so that they add up to it.

    Those with the largest remainders are rounded up.
    """
    exact = [item.amount.scaleb(9) for item in items]
    whole = [int(amount // 1) for amount in exact]
    rest = nano_usd - sum(whole)
    by_remainder = sorted(range(len(items)), key=lambda place: (whole[place] - exact[place], place))
    each, more = divmod(rest, len(items))
    for place in range(len(items)):
        whole[place] += each
    for place in by_remainder[:more]:
        whole[place] += 1
    return whole


def tags_of(call: Call) -> Tags:
    """In the order of their names."""
    return tuple(sorted((name, value) for name, value in call.tags.items() if name not in LEFT_OUT))


def _let_go(held: dict[Key, tuple[Decimal, int, int]]) -> Iterator[Charge]:
    for key in sorted(held, key=_order):
        yield Charge(key, *held[key])


def _added(held: dict[Correction, tuple[int, int]]) -> Iterator[Correction]:
    for key, (nano_usd, requests) in held.items():
        if nano_usd:
            yield key._replace(nano_usd=nano_usd, requests=requests)


def _order(key: Key) -> tuple[object, ...]:
    return (*key[:5], key.meter or "", key.unit_price or Decimal(-1), *key[7:])


def _parts(call: Call, day: int) -> Iterator[tuple[Key, Decimal, int]]:
    cost = call.cost
    if cost is None:
        return
    whole = Key(
        day, call.provider, _model(call), call.operation, call.service_tier or "default", None, None, cost.source,
        cost.price_version or "", tags_of(call),
    )  # fmt: skip
    if not cost.items:
        yield whole, Decimal(1), cost.nano_usd
        return
    for item, nano_usd in zip(cost.items, parted(cost.items, cost.nano_usd), strict=True):
        key = whole._replace(
            model=item.model or whole.model, meter=item.meter, unit_price=item.unit_price.normalize()
        )  # fmt: skip
        yield key, Decimal(item.quantity), nano_usd


def _model(call: Call) -> str:
    return call.response_model or call.request_model or ""
