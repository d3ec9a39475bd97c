"""What the API answers about what could be cheaper. Unknown is `None`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What some calls have cost, and would have. Both costs are of the `compared_calls`."""

    calls: int
    changed_calls: int
    compared_calls: int
    old_cost: Decimal | None
    old_cost_nano_usd: int | None
    new_cost: Decimal | None
    new_cost_nano_usd: int | None
    delta: Decimal | None
    delta_nano_usd: int | None
    not_repriced_calls: int
    not_repriced_cost: Decimal
    unknown_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel(Compared):
    """By model: the one that was asked, and the one that would have been."""

    provider: str
    model: str
    new_provider: str
    new_model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedValue(Compared):
    """By feature or tenant; empty: calls without one."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPriced:
    """A model that has no price as it would have been asked."""

    provider: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise:
    """What a period has cost, and would have; the largest differences first."""

    start: datetime
    end: datetime
    zone: str
    total: Compared
    by_model: list[ComparedModel]
    by_feature: list[ComparedValue]
    by_tenant: list[ComparedValue]
    not_priced: list[NotPriced]
    streamed_calls: int
