"""The questions about what could be cheaper. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, get_args

from tollkeeper.client.ask import Ask, body_of, reader
from tollkeeper.client.asks import Dimension, Wanted, When
from tollkeeper.client.savings import Otherwise

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
