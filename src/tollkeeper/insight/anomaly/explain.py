"""What an excess is made of: which models, users, features …, and whether of more calls, bigger ones or dearer tokens.

Money is calls x tokens a call x money a token. The excess is divided among the three by their logarithms (the additive
logarithmic mean Divisia index: Ang, Energy Policy 32, 2004), so that no order of them is preferred and nothing is left
over; what rounding leaves goes to the largest part. Parts add up to the excess to the nano-dollar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from tollkeeper.insight.anomaly.anomaly import Contributor

_ANY: Final = 1e-6
"""Less than that is none."""


class Use(NamedTuple):
    """What was used, or what was to be expected; the latter need not be whole."""

    calls: float = 0
    tokens: float = 0
    nano_usd: float = 0


class Parts(NamedTuple):
    """What an excess is made of, in nano-dollars; they add up to it."""

    more_calls: int
    bigger_calls: int
    dearer_tokens: int


def expected_use(intervals: Sequence[Use], scale: float = 1.0) -> Use:
    """The mean of comparable intervals without anomalies, times `scale`; nothing of none."""
    if not intervals:
        return Use()
    sums = [math.fsum(column) * scale / len(intervals) for column in zip(*intervals, strict=True)]
    return Use(*sums)


def decompose(actual: Use, expected: Use) -> Parts:
    """Why it cost more than expected. What cost nothing before, or nothing now, differs by its calls."""
    excess = round(actual.nano_usd) - round(expected.nano_usd)
    if not excess:
        return _even(actual, expected)
    if min(actual.nano_usd, expected.nano_usd, actual.calls, expected.calls) < _ANY:
        return Parts(excess, 0, 0)
    return Parts(*_whole(excess, _logarithms(actual, expected)))


def _logarithms(actual: Use, expected: Use) -> list[float]:
    """The growth of each factor; without tokens, calls are of one size and differ in price."""
    calls = math.log(actual.calls / expected.calls)
    money = math.log(actual.nano_usd / expected.nano_usd)
    if min(actual.tokens, expected.tokens) < _ANY:
        return [calls, 0.0, money - calls]
    tokens = math.log(actual.tokens / expected.tokens)
    return [calls, tokens - calls, money - tokens]


def _even(actual: Use, expected: Use) -> Parts:
    """Where money is the same, more of the one makes up for less of the other."""
    if min(*actual, *expected) < _ANY:
        return Parts(0, 0, 0)
    growth = _logarithms(actual, expected)
    first, second = round(actual.nano_usd * growth[0]), round(actual.nano_usd * growth[1])
    return Parts(first, second, -first - second)


def _whole(excess: int, weights: Sequence[float]) -> list[int]:
    """The excess by these weights, in whole nano-dollars that add up to it."""
    total = math.fsum(weights)
    if abs(total) < 1e-12:
        return [excess, 0, 0]
    parts = [round(Fraction(excess) * Fraction(weight) / Fraction(total)) for weight in weights]
    largest = max(range(len(parts)), key=lambda at: abs(parts[at]))
    parts[largest] += excess - sum(parts)
    return parts


def contributors(
    dimension: str, actual: Mapping[str, Use], expected: Mapping[str, Use], most: int | None = None
) -> tuple[Contributor, ...]:
    """The parts that the values of a dimension have in an excess, those that went its way most first.

    All of them add up to the excess. Of more than `most` the rest is left out.
    """
    names = actual.keys() | expected.keys()
    excess = sum(_money(actual, name) - _money(expected, name) for name in names)
    found = [
        _contributor(dimension, name, actual.get(name, Use()), expected.get(name, Use()), excess) for name in names
    ]
    sign = -1 if excess < 0 else 1
    found.sort(key=lambda each: (-sign * each.excess_nano_usd, each.value))
    return tuple(found[:most])


def top_contributors(
    by_dimension: Mapping[str, tuple[Mapping[str, Use], Mapping[str, Use]]], most: int = 5, least_share: float = 0.1
) -> tuple[Contributor, ...]:
    """What explains an excess best, over all dimensions: those with the greatest shares.

    A value that is all there is in its dimension explains nothing, and is left out, unless nothing else is left.
    """
    found: list[Contributor] = []
    alone: list[Contributor] = []
    for dimension, (actual, expected) in by_dimension.items():
        parts = contributors(dimension, actual, expected)
        (found if len(parts) > 1 else alone).extend(
            each for each in parts if each.share is not None and each.share >= least_share
        )
    ranked = sorted(found or alone, key=lambda each: (-(each.share or 0.0), each.dimension, each.value))
    return tuple(ranked[:most])


def shared_out(usual: Mapping[str, Use], expected_nano_usd: int) -> dict[str, Use]:
    """What is usual for the values of a dimension, scaled so that its money is what was expected in all, exactly.

    So the parts add up to an anomaly's own excess. Raises `ValueError` where money is expected and none is usual.
    """
    total = math.fsum(use.nano_usd for use in usual.values())
    if total <= 0:
        if expected_nano_usd:
            raise ValueError(f"{expected_nano_usd} nano-dollars to share out; expected some use that cost money")
        return {name: use._replace(nano_usd=0) for name, use in usual.items()}
    scale = expected_nano_usd / total
    found = {
        name: Use(use.calls * scale, use.tokens * scale, round(use.nano_usd * scale)) for name, use in usual.items()
    }
    dearest = max(found, key=lambda name: (found[name].nano_usd, name))
    left = expected_nano_usd - sum(round(use.nano_usd) for use in found.values())
    found[dearest] = found[dearest]._replace(nano_usd=found[dearest].nano_usd + left)
    return found


def _money(uses: Mapping[str, Use], name: str) -> int:
    use = uses.get(name)
    return 0 if use is None else round(use.nano_usd)


def _contributor(dimension: str, value: str, actual: Use, expected: Use, whole: int) -> Contributor:
    excess = round(actual.nano_usd) - round(expected.nano_usd)
    return Contributor(
        dimension,
        value,
        round(actual.nano_usd),
        round(expected.nano_usd),
        excess,
        excess / whole if whole else None,
        *decompose(actual, expected),
    )
