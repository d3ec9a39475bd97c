"""The questions about what could be cheaper. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, get_args
from urllib.parse import quote

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.asks import Dimension, Wanted, When
from tollkeeper.client.savings import AdviceKind, AdviceState, Otherwise, RecommendationDetail, Recommendations

Tier = Literal["standard", "batch", "flex", "priority"]
DIMENSIONS = get_args(Dimension)


def what_if(
    *,
    models: Mapping[str, str] | None = None,
    tier: Tier | None = None,
    cache_hit: Decimal | float | None = None,
    days: int | None = None,
    start: When | None = None,
    end: When | None = None,
    zone: str | None = None,
    provider: Wanted = None,
    model: Wanted = None,
    operation: Wanted = None,
    tenant: Wanted = None,
    project: Wanted = None,
    user: Wanted = None,
    service: Wanted = None,
    feature: Wanted = None,
    config: Wanted = None,
) -> Ask[Otherwise]:
    """What a past period would have cost: with the models that `models` names in place of others, in another tier, or
    with so great a share of the input from a cache. A million calls take a minute or two.
    """
    given = body_of(locals())
    filters = {
        name: [value] if isinstance(value, str) else list(value) for name, value in given.items() if name in DIMENSIONS
    }
    return Ask("POST", "/what-if", reader(Otherwise), body={**given, **filters})


def recommendations(*, state: AdviceState | None = None, kind: AdviceKind | None = None) -> Ask[Recommendations]:
    """What could be cheaper, by how much, and how sure that is: what is open, unless another state is asked for."""
    return Ask("GET", "/recommendations", reader(Recommendations), query_of(locals()))


def recommendation(id: str) -> Ask[RecommendationDetail]:
    """One of them, with its evidence, how to do it, what could go wrong, and whether it has saved."""
    return Ask("GET", f"/recommendations/{quote(id, safe='')}", reader(RecommendationDetail))


def accept_recommendation(id: str, *, reason: str | None = None) -> Ask[RecommendationDetail]:
    """Say that it is done: whether it saves is told from then on. What was before is measured, which takes seconds."""
    path = f"/recommendations/{quote(id, safe='')}/accept"
    return Ask("POST", path, reader(RecommendationDetail), body=body_of({"reason": reason}))


def dismiss_recommendation(id: str, *, reason: str) -> Ask[RecommendationDetail]:
    """It is not shown again, unless it would save twice as much."""
    path = f"/recommendations/{quote(id, safe='')}/dismiss"
    return Ask("POST", path, reader(RecommendationDetail), body={"reason": reason})
