"""The questions about what could be cheaper. Answers come first; each function is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Unpack
from urllib.parse import quote

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.keywords import Selection, listed, spelled_out

AdviceKind = Literal[
    "cheaper_model",
    "prompt_caching",
    "batch",
    "flex",
    "max_tokens",
    "duplicate_prompts",
    "budget",
    "price_missing",
    "price_differs",
    "failed_calls",
]
AdviceState = Literal["open", "accepted", "dismissed", "gone"]
Verdict = Literal["too_early", "not_followed", "saved", "costs_more", "unclear", "not_measured"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingRange:
    """US dollars in a month of thirty days: what is likely, and between what it is in four of five cases."""

    low: Decimal
    mid: Decimal
    high: Decimal
    low_nano_usd: int
    mid_nano_usd: int
    high_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WayToDoIt:
    """TOML for the policy file, Python, or a command for a shell."""

    means: Literal["policy", "code", "command"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedSaving:
    """Whether it has saved: what the calls since have cost, against what they would have cost without it."""

    verdict: Verdict
    says: str
    until: datetime
    calls: int
    followed_calls: int
    cost: Decimal
    cost_without: Decimal | None
    saved: Decimal | None
    saved_nano_usd: int | None
    low: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Advice, and what became of it. `spend` is what the calls that it is about cost in a month."""

    id: str
    kind: AdviceKind
    scope: dict[str, str]
    subject: str
    title: str
    state: AdviceState
    saving: SavingRange | None
    spend: Decimal | None
    confidence: Literal["low", "medium", "high"]
    alternative_to: str | None
    made_at: datetime
    seen_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    tracking: TrackedSaving | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationDetail(Recommendation):
    """With all that it rests on. Money in the evidence is in nano-dollars."""

    evidence: dict[str, Any]
    rests_on: list[str]
    ways: list[WayToDoIt]
    risks: list[str]
    before: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendations:
    """The largest savings first. `total` is of those that are open, and no alternative to another one."""

    evaluated_at: datetime | None
    total: SavingRange
    recommendations: list[Recommendation]


Tier = Literal["standard", "batch", "flex", "priority"]


@spelled_out
def what_if(
    *,
    models: Mapping[str, str] | None = None,
    tier: Tier | None = None,
    cache_hit: Decimal | float | None = None,
    **selection: Unpack[Selection],
) -> Ask[Otherwise]:
    """What a past period would have cost: with the models that `models` names in place of others, in another tier, or
    with so great a share of the input from a cache. A million calls take a minute or two.
    """
    body = body_of({"models": models, "tier": tier, "cache_hit": cache_hit, **listed(selection)})
    return Ask("POST", "/what-if", reader(Otherwise), body=body)


def recommendations(*, state: AdviceState | None = None, kind: AdviceKind | None = None) -> Ask[Recommendations]:
    """What could be cheaper, by how much, and how sure that is: what is open, unless another state is asked for."""
    return Ask("GET", "/recommendations", reader(Recommendations), query_of(locals()))


def recommendation(id: str) -> Ask[RecommendationDetail]:
    """One of them, with its evidence, how to do it, what could go wrong, and whether it has saved."""
    return Ask("GET", f"/recommendations/{quote(id, safe='')}", reader(RecommendationDetail))


def accept_recommendation(id: str, *, reason: str | None = None) -> Ask[RecommendationDetail]:
    """Say that it is done: whether it saves is told from then on. What was before is measured, which takes seconds.

    `Outdated` if it is not open any more.
    """
    path = f"/recommendations/{quote(id, safe='')}/accept"
    return Ask("POST", path, reader(RecommendationDetail), body=body_of({"reason": reason}))


def dismiss_recommendation(id: str, *, reason: str) -> Ask[RecommendationDetail]:
    """It is not shown again, unless it would save twice as much. `Outdated` if it is dismissed or gone already."""
    path = f"/recommendations/{quote(id, safe='')}/dismiss"
    return Ask("POST", path, reader(RecommendationDetail), body={"reason": reason})
