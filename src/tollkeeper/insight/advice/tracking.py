"""Did it save? What calls have cost since advice was accepted, against what they would have cost without it.

Each call is priced as it would have been made before: by the dearer model, in the standard tier, without a cache. What
that differs by, call by call, is compared with what it differed by already before anybody accepted anything. Of advice
that changes what is asked rather than how it is priced, the cost of a call itself is compared. Of another model it is
both: the other one may well take more tokens for the same, and then the range has both in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

from tollkeeper.insight.advice.recommendation import Kind, Recommendation
from tollkeeper.insight.advice.snippets import exactly
from tollkeeper.insight.what_if import Imagination, Scenario
from tollkeeper.model import Call
from tollkeeper.pricing import Catalog

Verdict = Literal["too_early", "not_followed", "saved", "costs_more", "unclear", "not_measured"]
"""`not_followed`: calls are made as before. `unclear`: the range has nothing in it. `not_measured`: nothing can be."""

PRICED_OTHERWISE: Final[frozenset[Kind]] = frozenset(("cheaper_model", "batch", "flex", "prompt_caching"))
COST_ITSELF: Final[frozenset[Kind]] = frozenset(("max_tokens", "failed_calls"))

FEWEST_CALLS: Final = 100
FEWEST_NANOSECONDS: Final = 3 * 86_400_000_000_000
NINETEEN_OF_TWENTY: Final = 1.96
FOLLOWED_MORE: Final = 0.05
"""By how great a share more calls than before must be made in the new way, for the advice to be followed."""

Difference = Callable[[Call, int | None], tuple[int, bool] | None]
"""Of a call and its cost: by how many nano-dollars it would have been dearer without the advice, and whether it is made
in the new way; `None` where that is not known."""


class Mean(NamedTuple):
    """Of so many values, and the square of its standard error."""

    value: float
    variance: float


class Tally(NamedTuple):
    """Of some calls: how many, those made in the new way, and sums: of cost and differences, and of their squares."""

    calls: int = 0
    followed: int = 0
    nano_usd: int = 0
    nano_usd_squares: float = 0.0
    difference: int = 0
    difference_squares: float = 0.0

    def with_(self, nano_usd: int, difference: int, is_followed: bool) -> Tally:
        """And one call more."""
        return Tally(
            self.calls + 1,
            self.followed + is_followed,
            self.nano_usd + nano_usd,
            self.nano_usd_squares + float(nano_usd) ** 2,
            self.difference + difference,
            self.difference_squares + float(difference) ** 2,
        )

    @property
    def differences(self) -> Mean:
        """What calls differ by."""
        return _mean(self.calls, self.difference, self.difference_squares)

    @property
    def costs(self) -> Mean:
        """What calls cost."""
        return _mean(self.calls, self.nano_usd, self.nano_usd_squares)

    @property
    def share(self) -> float:
        """Of the calls that are made in the new way."""
        return self.followed / self.calls if self.calls else 0.0


class Tracking(NamedTuple):
    """The verdict. Money is nano-dollars since it was accepted; in nineteen of twenty cases from `low` to `high`.

    `without` is what the calls would have cost. All of it is `None` where nothing can be said yet.
    """

    verdict: Verdict
    calls: int
    followed: int
    nano_usd: int
    without: int | None
    saved: int | None
    low: int | None
    high: int | None
    says: str


def difference_of(advice: Recommendation, catalog: Catalog) -> Difference | None:
    """How to look at a call; `None` where there is nothing to be seen in calls."""
    if advice.kind in COST_ITSELF:
        return _cost_itself if advice.kind == "max_tokens" else _cost_of_failed
    if advice.kind not in PRICED_OTHERWISE:
        return None
    without = _without(advice, catalog)

    def difference(call: Call, nano_usd: int | None) -> tuple[int, bool] | None:
        before = without(call)
        if nano_usd is None:
            return None
        if before is None:
            return 0, False
        cost, _ = catalog.price(before)
        return None if cost is None else (cost.nano_usd - nano_usd, True)

    return difference


def filters_of(advice: Recommendation) -> Mapping[str, tuple[str, ...]]:
    """Which calls it is about, by the ledger's dimensions."""
    return {name: (value,) for name, value in advice.scope.items() if name != "limit"}


def track(before: Tally, after: Tally, kind: Kind, elapsed: int) -> Tracking:
    """What the calls since tell, so many nanoseconds after it was accepted."""
    made = (after.calls, after.followed, after.nano_usd)
    if kind not in PRICED_OTHERWISE | COST_ITSELF:
        return Tracking("not_measured", *made, *NOTHING, "what it is about is not seen in what calls cost")
    if elapsed < FEWEST_NANOSECONDS or after.calls < FEWEST_CALLS or before.calls < FEWEST_CALLS:
        told = f"too early to say: {after.calls:,} calls since, {before.calls:,} before; three days and {FEWEST_CALLS}"
        return Tracking("too_early", *made, *NOTHING, f"{told} calls of each are needed")
    if kind in PRICED_OTHERWISE and after.share < before.share + FOLLOWED_MORE:
        told = f"{after.share:.0%} of the calls are made in the new way, and {before.share:.0%} were before"
        return Tracking("not_followed", *made, *NOTHING, told)
    saved, low, high = _saved(before.differences, after.differences, after.calls)
    if kind == "cheaper_model":
        _, least, most = _saved(after.costs, before.costs, after.calls)
        low, high = min(low, least), max(high, most)
    verdict: Verdict = "saved" if low > 0 else "costs_more" if high < 0 else "unclear"
    return Tracking(verdict, *made, after.nano_usd + saved, saved, low, high, WORDS[verdict])


def _saved(before: Mean, after: Mean, calls: int) -> tuple[int, int, int]:
    """By how much the mean has grown, times the calls; and between what that is in nineteen of twenty cases."""
    saved = calls * (after.value - before.value)
    margin = NINETEEN_OF_TWENTY * calls * math.sqrt(before.variance + after.variance)
    return round(saved), round(saved - margin), round(saved + margin)


def _mean(calls: int, total: int, squares: float) -> Mean:
    if calls < 2:
        return Mean(float(total), 0.0)
    mean = total / calls
    return Mean(mean, max(squares - calls * mean**2, 0.0) / (calls - 1) / calls)


NOTHING: Final = (None, None, None, None)
WORDS: Final[Mapping[Verdict, str]] = {
    "saved": "it has saved",
    "costs_more": "it has cost more than without it",
    "unclear": "whether it has saved cannot be told apart from chance",
}


def document(tracking: Tracking) -> dict[str, Any]:
    """As JSON has it."""
    return tracking._asdict()


def _without(advice: Recommendation, catalog: Catalog) -> Callable[[Call], Call | None]:
    """Makes of a call what it would have been without the advice; `None`: the same."""
    said = advice.evidence
    if advice.kind == "cheaper_model":
        old = f"{said['provider']}/{said['model']}"
        return Imagination(Scenario(((exactly(said["new_model"]), old),)), catalog)
    if advice.kind in ("batch", "flex"):
        return _of_model(said["model"], Imagination(Scenario(tier="standard"), catalog))
    return _of_model(said["model"], _uncached)


def _of_model(model: str, make: Callable[[Call], Call | None]) -> Callable[[Call], Call | None]:
    return lambda call: make(call) if model in (call.request_model, call.response_model) else None


def _uncached(call: Call) -> Call | None:
    usage = call.usage._replace(
        cache_read_tokens=None, cache_write_tokens=None, cache_write_1h_tokens=None, cache_read_audio_tokens=None,
        cache_read_image_tokens=None,
    )  # fmt: skip
    if not (call.usage.cache_read_tokens or call.usage.cache_write_tokens):
        return None
    return replace(call, usage=usage, billed_usage=None, provider_cost=None, cost=None, price_status=None)


def _cost_itself(call: Call, nano_usd: int | None) -> tuple[int, bool] | None:
    """Less of it is saved."""
    return None if nano_usd is None else (-nano_usd, True)


def _cost_of_failed(call: Call, nano_usd: int | None) -> tuple[int, bool] | None:
    """What of it was for nothing."""
    is_lost = call.error_type is not None or call.abandoned
    return (-(nano_usd or 0), True) if is_lost else (0, False)
