"""The questions about limits and the policy. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Unpack
from urllib.parse import quote

from tollkeeper.client.ask import Ask, body_of, query_of, reader
from tollkeeper.client.keywords import Range, Whose, spelled_out
from tollkeeper.client.standings import (
    AlertClaim,
    Backtested,
    Check,
    InFlight,
    LimitAgreement,
    Limits,
    LimitUsages,
    PolicyHistory,
    PolicyInForce,
    PolicySet,
    QuotaStatus,
    QuotaStatuses,
    Rebuilt,
)


@spelled_out
def limits(**whose: Unpack[Whose]) -> Ask[Limits]:
    """How the limits stand for whom these name, those for everybody included."""
    return Ask("GET", "/limits", reader(Limits), query_of(whose))


def limit_usage(*, limit: str | None = None, most: int | None = None) -> Ask[LimitUsages]:
    """How far every limit, or the one of a name, is used, by the fullest so many (10) of those it counts for."""
    return Ask("GET", "/limits/usage", reader(LimitUsages), query_of(locals()))


def in_flight() -> Ask[InFlight]:
    """The calls that were admitted and have not ended."""
    return Ask("GET", "/limits/in-flight", reader(InFlight))


def limit_agreement() -> Ask[LimitAgreement]:
    """Whether the counters agree with the ledger."""
    return Ask("GET", "/limits/agreement", reader(LimitAgreement))


def rebuild_limits(*, reason: str, lower: bool = False) -> Ask[Rebuilt]:
    """Book what the ledger has and the counters have not; with `lower`, also take away what is in excess."""
    return Ask("POST", "/limits/rebuild", reader(Rebuilt), body={"reason": reason, "lower": lower})


def check(
    provider: str,
    model: str,
    *,
    operation: str = "chat",
    tags: Mapping[str, str] | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
) -> Ask[Check]:
    """Whether a call would be admitted now. Nothing is held for it. The tokens are the most that it can have."""
    given = {"provider": provider, "model": model, "operation": operation, "tags": dict(tags or {})}
    counts = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return Ask("POST", "/check", reader(Check), body=body_of({**given, **counts}))


def policy(*, version: int | None = None) -> Ask[PolicyInForce]:
    """The limits in force, and who has set them; or a `version` that was in force."""
    return Ask("GET", "/policy", reader(PolicyInForce), query_of(locals()))


def set_policy(
    document: Mapping[str, Any], *, reason: str, expected: int | None = None, drop_quotas: bool = False
) -> Ask[PolicySet]:
    """Put a policy in force; `Outdated` if it does not replace the version `expected`. What was used stays.

    Quotas that were set by themselves stay in force too, where it does not name them, but for `drop_quotas`.
    """
    headers = {} if expected is None else {"If-Match": f'"{expected}"'}
    body = body_of({"document": dict(document), "reason": reason, "drop_quotas": drop_quotas or None})
    return Ask("PUT", "/policy", reader(PolicySet), body=body, headers=headers)


def policy_history(*, cursor: str | None = None, limit: int | None = None) -> Ask[PolicyHistory]:
    """Every version of the policy, newest first."""
    return Ask("GET", "/policy/history", reader(PolicyHistory), query_of(locals()))


@spelled_out
def backtest(document: Mapping[str, Any], **when: Unpack[Range]) -> Ask[Backtested]:
    """What a policy would have done to the calls of a period (the last 30 days): denied, told of, and saved."""
    body = body_of({"document": dict(document), **when})
    return Ask("POST", "/policy/backtest", reader(Backtested), body=body)


def quotas() -> Ask[QuotaStatuses]:
    """How the quota of every configuration stands."""
    return Ask("GET", "/quotas", reader(QuotaStatuses))


def quota(config: str) -> Ask[QuotaStatus]:
    """How the quota of one configuration stands; `NotFound` if it has none, and no calls."""
    return Ask("GET", _quota_path(config), reader(QuotaStatus))


def set_quota(
    config: str,
    quota_limit: int,
    *,
    alert_threshold_percent: float | None = None,
    mode: Literal["hard", "soft"] | None = None,
    reason: str | None = None,
) -> Ask[QuotaStatus]:
    """Let a configuration use so many tokens a month, and tell at a percentage of them (80)."""
    said = {"alert_threshold_percent": alert_threshold_percent, "mode": mode, "reason": reason}
    body = body_of({"quota_limit": quota_limit, **said})
    return Ask("PUT", _quota_path(config), reader(QuotaStatus), body=body)


def reset_quota(config: str, *, reason: str | None = None) -> Ask[QuotaStatus]:
    """Begin a configuration's usage anew, within its period."""
    return Ask("DELETE", _quota_path(config), reader(QuotaStatus), query_of({"reason": reason}))


def remove_quota(config: str, *, reason: str | None = None) -> Ask[QuotaStatus]:
    """Take a configuration's quota away; `NotFound` if it has none of its own."""
    return Ask("DELETE", _quota_path(config), reader(QuotaStatus), query_of({"reason": reason, "remove": True}))


def claim_alert(config: str, *, interval_seconds: int | None = None) -> Ask[AlertClaim]:
    """Whether to tell of a quota now: of all who ask in an interval (an hour), one is to."""
    body = body_of({"interval_seconds": interval_seconds})
    return Ask("POST", f"{_quota_path(config)}/alerts", reader(AlertClaim), body=body)


def _quota_path(config: str) -> str:
    if config in ("", ".", ".."):
        raise ValueError(f"config is {config!r}; expected a name that a URL can have, not empty, and not . or ..")
    return f"/quotas/{quote(config, safe='')}"
