"""How long answers have been: a quantile of them in a fixed space, for estimates that nothing hard depends on."""

from __future__ import annotations

from collections import OrderedDict

NEEDED = 100
"""Answers, before anything is said of the one in a hundred."""
REFRESHED = 16
"""Answers, after which it is said anew."""
REMEMBERED = 4096
"""After so many, each counts half: what was long ago matters less and less."""
MOST_MODELS = 512
PERCENT = 99

_FINE = 3
"""Bits after the highest one: a bucket is at the most an eighth wider than its least length."""
_LONGEST = (1 << 31) - 1
_BUCKETS = (31 - _FINE + 1) << _FINE


class Lengths:
    """Counts by length, in buckets that grow with it: 232 numbers, however many answers there are."""

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.total = 0

    def add(self, length: int) -> None:
        """Take note of an answer."""
        self._counts[_bucket(min(max(length, 0), _LONGEST))] += 1
        self.total += 1
        if self.total >= REMEMBERED:
            self._counts = [count >> 1 for count in self._counts]
            self.total = sum(self._counts)

    def quantile(self, percent: int = PERCENT) -> int | None:
        """What so many of a hundred answers are not longer than, and by an eighth more at the most; `None`: too few."""
        if self.total < NEEDED:
            return None
        wanted, seen = -(-self.total * percent // 100), 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return _end(bucket)
        raise AssertionError("the counts are fewer than their total")


class ExpectedOutput:
    """Of each provider and model, from the answers there were. Those that were longest not heard of are forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Lengths] = OrderedDict()
        self._said: dict[tuple[str, str], int] = {}

    def learn(self, provider: str, model: str, output_tokens: int) -> None:
        """Take note of an answer. Not to be called by several threads at once."""
        key = provider, model
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MOST_MODELS:
                self._said.pop(self._known.popitem(last=False)[0], None)
            found = self._known[key] = Lengths()
        else:
            self._known.move_to_end(key)
        found.add(output_tokens)
        is_due = key not in self._said or found.total % REFRESHED == 0
        if is_due and (longest := found.quantile()) is not None:
            self._said[key] = longest

    def of(self, provider: str, model: str) -> int | None:
        """The output tokens that 99 of 100 answers did not have more of; `None` where too few are known."""
        return self._said.get((provider, model))


def _bucket(length: int) -> int:
    """Up to eight, a bucket each; from there on, eight for each doubling."""
    shift = max(length.bit_length() - 1 - _FINE, 0)
    return (shift << _FINE) + (length >> shift)


def _end(bucket: int) -> int:
    """The greatest length in it."""
    shift = max((bucket >> _FINE) - 1, 0)
    return (((bucket - (shift << _FINE)) + 1) << shift) - 1
