"""All advisers, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from tollkeeper.insight.advice import (
    budgets,
    cheaper_model,
    duplicates,
    failed_calls,
    max_tokens,
    price_fixes,
    prompt_caching,
    tiers,
)
from tollkeeper.insight.advice.facts import Facts
from tollkeeper.insight.advice.recommendation import CONFIDENCES, Recommendation

Adviser = Callable[[Facts], Iterable[Recommendation]]

ADVISERS: Final[tuple[Adviser, ...]] = (
    cheaper_model.advise,
    tiers.advise,
    prompt_caching.advise,
    duplicates.advise,
    failed_calls.advise,
    max_tokens.advise,
    price_fixes.advise,
    budgets.advise,
)
SAME_CALLS: Final = frozenset(("cheaper_model", "batch", "flex", "prompt_caching"))
"""Each takes its part of the whole cost of the same calls."""
MOST: Final = 200


def recommend(
    facts: Facts, advisers: Sequence[Adviser] = ADVISERS, unwanted: Collection[str] = ()
) -> list[Recommendation]:
    """All that they say, the largest savings first; where several are about the same calls, all but the best say so.

    `unwanted` are ids of what was dismissed: nothing is an alternative to that.
    """
    found = sorted((one for advise in advisers for one in advise(facts)), key=_order)
    best: dict[tuple[object, ...], str] = {}
    marked = []
    for one in found:
        if one.kind in SAME_CALLS and one.id not in unwanted:
            same = (tuple(sorted(one.scope.items())), one.evidence.get("provider"), one.evidence.get("model"))
            first = best.setdefault(same, one.id)
            one = one._replace(alternative_to=None if first == one.id else first)
        marked.append(one)
    return marked[:MOST]


def _order(one: Recommendation) -> tuple[int, int, str]:
    return (-(one.saving.mid if one.saving else 0), -CONFIDENCES.index(one.confidence), one.id)
