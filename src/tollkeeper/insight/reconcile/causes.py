"""By what the ledger and an invoice differ: each effect in nano-dollars, so that all of them sum to the difference.

First what can be told apart exactly (other clients' lines, hours of another day), then how many tokens there are, at
the invoice's own prices; what is left is the price: discount, tariff, rounding, or another price.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tollkeeper.insight.reconcile.cell import Cause, CauseKind
from tollkeeper.insight.reconcile.clients import CLOSE
from tollkeeper.insight.reconcile.invoiced import OF_LEDGER, Group, Invoiced
from tollkeeper.insight.reconcile.line import nano_usd
from tollkeeper.insight.reconcile.recorded import Sums

FACTORS: Mapping[str, float] = {"standard": 1.0, "batch": 0.5, "flex": 0.5}
"""What tariffs cost of the standard one. OpenAI and Anthropic: batches at half the price; OpenAI: flex as batches."""
HALF, HALF_BY = 0.5, 0.01
"""Where nobody says the tariff, that part of the price, so exactly, is a batch's."""
SHARE = 0.01
"""From this part of tokens on, another tariff is told of."""


class Ours(NamedTuple):
    """What the ledger has of a day of a model: by the days of UTC, by the provider's own, and tokens by tariff."""

    sums: Sums
    shifted: Sums
    tiers: Mapping[str, int]


class Known(NamedTuple):
    """What all cells of a provider say together. `uniform`: the part of the price that all models are billed at.

    `own`: keys and projects that are ours, where somebody has said so; else `clients` are those that are not, as far as
    can be told. `unit`: the last decimal place of amounts; `models`: the ledger's.
    """

    shift_hours: int
    clients: frozenset[str]
    uniform: float | None
    unit: Decimal
    models: frozenset[str]
    own: frozenset[str] = frozenset()

    def ours(self, invoice: Invoiced) -> Invoiced:
        """What of it is not other clients'."""
        return invoice.of(self.own) if self.own else invoice.without(self.clients)


def quantity_effect(sums: Sums, invoice: Invoiced) -> int | None:
    """What the tokens that one side has more of cost on the invoice, in nano-dollars; `None`: it counts no tokens."""
    told, amount = invoice.tokens(), invoice.amount()
    if told is None or amount is None:
        return None
    have = OF_LEDGER[invoice.form](sums)
    more = {group: told[group] - have[group] for group in have}
    if all(abs(number) <= CLOSE * max(told[group], have[group]) for group, number in more.items()):
        return 0
    prices = invoice.unit_prices()
    if all(group in prices for group, number in more.items() if number):
        return nano_usd(_exact_sum({group: prices[group] for group, number in more.items() if number}, more))
    billed = sum(told.values())
    return nano_usd(amount * (billed - sums.tokens) / billed) if billed else -sums.nano_usd


def _exact_sum(prices: Mapping[Group, Decimal], numbers: Mapping[Group, int]) -> Decimal:
    return sum((price * numbers[group] for group, price in prices.items()), Decimal(0))


def price_ratio(sums: Sums, invoice: Invoiced, tiers: Mapping[str, int]) -> float | None:
    """What the invoice's tokens cost on it, of what they would cost by the ledger; `None`: nobody can tell.

    What other tariffs than the ledger's are known to change is not in it.
    """
    amount, quantity = invoice.amount(), quantity_effect(sums, invoice)
    if amount is None or quantity is None or sums.unpriced:
        return None
    billed = nano_usd(amount)
    # The invoice's own prices are on both sides of it: of the tokens that both have, only.
    if sums.nano_usd <= 0 or billed <= quantity:
        return None
    told, mine = invoice.tier_shares(), _shares(tiers)
    tariff = _factor(told) / _factor(mine) if told and not {*told, *mine} - FACTORS.keys() else 1.0
    return (billed - quantity) / sums.nano_usd / tariff


def causes(ours: Ours, invoice: Invoiced, known: Known) -> tuple[Cause, ...]:
    """Why they differ, the weightier first; nothing where they do not."""
    found: list[Cause] = []
    left = known.ours(invoice)
    if (foreign := _foreign(invoice, left, known)) is not None:
        found.append(foreign)
    if known.shift_hours and ours.shifted != ours.sums:
        found.append(_shifted(ours, known))
    found += _of_quantity(ours.shifted, left)
    found += _of_price(ours, left, known)
    if (rest := _unexplained(found, ours, invoice)) is not None:
        found.append(rest)
    weighty = [cause for cause in found if cause.nano_usd is None or cause.nano_usd]
    return tuple(sorted(weighty, key=lambda cause: -abs(cause.nano_usd or 0)))


def _unexplained(found: list[Cause], ours: Ours, invoice: Invoiced) -> Cause | None:
    """What is left of the difference, such as the ledger's side of a day on which others only were billed."""
    amount = invoice.amount()
    if amount is None:
        return None
    rest = nano_usd(amount) - ours.sums.nano_usd - sum(cause.nano_usd or 0 for cause in found)
    return Cause("not_invoiced" if rest < 0 else "unknown", rest) if rest else None


def _foreign(invoice: Invoiced, left: Invoiced, known: Known) -> Cause | None:
    if len(left.lines) == len(invoice.lines):
        return None
    names = sorted((invoice.clients() - left.clients()) or known.clients & invoice.clients())
    before, after = invoice.amount(), left.amount()
    amount = None if before is None else nano_usd(before) - (0 if after is None else nano_usd(after))
    tokens = sum((invoice.tokens() or {}).values()) - sum((left.tokens() or {}).values())
    return Cause("another_client", amount, {"clients": names, "tokens": tokens})


def _shifted(ours: Ours, known: Known) -> Cause:
    effect = ours.shifted.nano_usd - ours.sums.nano_usd
    tokens = ours.shifted.tokens - ours.sums.tokens
    return Cause("time_zone", effect, {"hours_after_utc": known.shift_hours, "tokens": tokens})


def _of_quantity(sums: Sums, invoice: Invoiced) -> list[Cause]:
    effect, told, requests = quantity_effect(sums, invoice), invoice.tokens(), invoice.requests()
    if told is None:
        return _of_requests(sums, requests)
    tokens = sum(told.values()) - sums.tokens
    if not effect and not (effect is None and abs(tokens) > CLOSE * sum(told.values())):
        return []
    evidence: dict[str, Any] = {"tokens": tokens, "billed_tokens": sum(told.values())}
    if requests is not None:
        evidence |= {"requests": requests - sums.requests, "billed_requests": requests}
    if sums.unmeasured:
        evidence["unmeasured"] = sums.unmeasured
    more = effect if effect else tokens
    return [Cause("missed_calls" if more > 0 else "not_invoiced", effect, evidence)]


def _of_requests(sums: Sums, requests: int | None) -> list[Cause]:
    """Where no tokens are counted, only that there are more or fewer calls; what they cost cannot be told apart."""
    if requests is None or abs(requests - sums.requests) <= CLOSE * max(requests, sums.requests):
        return []
    kind: CauseKind = "missed_calls" if requests > sums.requests else "not_invoiced"
    return [Cause(kind, None, {"requests": requests - sums.requests, "billed_requests": requests})]


def _of_price(ours: Ours, invoice: Invoiced, known: Known) -> list[Cause]:
    amount, sums = invoice.amount(), ours.shifted
    if amount is None:
        return []
    quantity = quantity_effect(sums, invoice)
    rest = nano_usd(amount) - sums.nano_usd - (quantity or 0)
    if rest == 0:
        return []
    if quantity is None:
        return [_without_tokens(rest, sums, invoice, known)]
    if sums.unpriced:
        return [Cause("unpriced", rest, {"unpriced_calls": sums.unpriced, "calls": sums.requests})]
    if abs(rest) <= invoice.rounding(known.unit, sums.requests):
        return [Cause("rounding", rest, {"to": format(known.unit, "f"), "lines": len(invoice.lines)})]
    found: list[Cause] = []
    base = sums.nano_usd
    if known.uniform is not None and base:
        effect = round((known.uniform - 1) * base)
        effect = rest if abs(rest - effect) <= max(SHARE * abs(rest), 1) else effect
        found.append(Cause("discount", effect, {"ratio": round(known.uniform, 4)}))
        rest, base = rest - effect, base + effect
    return found + (_of_tariff(ours, invoice, rest, base) if rest else [])


def _without_tokens(rest: int, sums: Sums, invoice: Invoiced, known: Known) -> Cause:
    if abs(rest) <= invoice.rounding(known.unit, sums.requests):
        return Cause("rounding", rest, {"to": format(known.unit, "f"), "lines": len(invoice.lines)})
    if not sums.requests:
        return Cause("missed_calls", rest, {"requests": invoice.requests()})
    ratio = 1 + rest / sums.nano_usd if sums.nano_usd else None
    return Cause("unknown", rest, {"ratio": None if ratio is None else round(ratio, 4)})


def _of_tariff(ours: Ours, invoice: Invoiced, rest: int, base: int) -> list[Cause]:
    """Tariff, or another price: by what both sides say of tariffs, else by the ratio."""
    ratio = (base + rest) / base if base else None
    evidence: dict[str, Any] = {} if ratio is None else {"ratio": round(ratio, 4)}
    evidence |= _unit_prices(invoice)
    told, mine = invoice.tier_shares(), _shares(ours.tiers)
    more = {tier: told.get(tier, 0.0) - mine.get(tier, 0.0) for tier in {*told, *mine} - {"standard"}}
    changed = {tier: share for tier, share in more.items() if abs(share) > SHARE}
    if not told:
        ours_are = any(tier != "standard" and share > SHARE for tier, share in mine.items())
        is_half = ratio is not None and abs((1 / ratio if ours_are and ratio > 1 else ratio) - HALF) <= HALF_BY
        return [Cause("tier" if is_half else "price", rest, evidence)]
    if not changed:
        return [Cause("price", rest, evidence)]
    tiers = {tier: round(share, 4) for tier, share in changed.items()}
    expected = _expected(changed, mine, base)
    if expected is None or abs(rest - expected) <= max(0.1 * abs(rest), 1):
        return [Cause("tier", rest, evidence | {"tiers": tiers})]
    return [Cause("tier", expected, {"tiers": tiers}), Cause("price", rest - expected, evidence)]


def _expected(changed: Mapping[str, float], mine: Mapping[str, float], base: int) -> int | None:
    """What other tariffs change, where it is known what they cost."""
    if any(tier not in FACTORS for tier in changed):
        return None
    effect = sum(share * (FACTORS[tier] - 1) for tier, share in changed.items())
    return round(base * effect / _factor(mine))


def _factor(shares: Mapping[str, float]) -> float:
    """What these tariffs cost together, of the standard one."""
    return 1 + sum(share * (FACTORS.get(tier, 1.0) - 1) for tier, share in shares.items())


def _shares(tiers: Mapping[str, int]) -> Mapping[str, float]:
    whole = sum(tiers.values())
    return {tier: tokens / whole for tier, tokens in tiers.items()} if whole else {}


def _unit_prices(invoice: Invoiced) -> dict[str, Any]:
    prices = invoice.unit_prices()
    if not prices:
        return {}
    return {"billed_usd_per_million": {group: format(round(price * 10**6, 6), "f") for group, price in prices.items()}}
