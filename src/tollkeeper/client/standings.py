"""What the API answers about limits. Amounts are in the unit of the measure, of `usd` in US dollars; all are exact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCount:
    """Requests in a window. Where `limited` is false nobody has set a limit, and there are no numbers."""

    can_call: bool
    limited: bool
    current_count: int | None
    limit_value: int | None
    remaining: int | None
    reset_at: datetime | None
    limit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStatus:
    """One limit, and how it stands for whom `scope` names; `used` includes what is `held` by calls under way."""

    name: str
    form: str
    measure: str
    mode: str
    calls: str
    scope: dict[str, str]
    amount: Decimal
    used: Decimal | None
    held: Decimal | None
    remaining: Decimal | None
    percent: float | None
    resets_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How the limits stand for a scope: the tightest of requests in each window, and all of them."""

    scope: dict[str, str]
    minute: WindowCount
    hour: WindowCount
    day: WindowCount
    month: WindowCount
    limits: list[LimitStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """What is done from a percentage of a limit on."""

    at: int
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeUse:
    """How far one of those whom a limit counts for has used it; `used` is without what is `held` by calls under way.

    `ratio` and `elapsed` are parts of one. `step` is the highest of the ladder that is reached. `denied` is `None`
    where denials are not counted.
    """

    scope: dict[str, str]
    used: Decimal
    held: Decimal
    remaining: Decimal
    ratio: float
    elapsed: float | None
    period_start: datetime | None
    resets_at: datetime | None
    step: LadderStep | None
    denied: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUsage:
    """One limit, and the fullest of those whom it counts for. `known` is false where nobody can tell how all stand."""

    name: str
    form: str
    measure: str
    amount: Decimal
    window: str | None
    time_zone: str | None
    per: list[str]
    mode: str
    calls: str
    match: dict[str, Any]
    exempt: list[str]
    thresholds: list[int]
    wait_seconds: float
    on_unavailable: str
    steps: list[LadderStep]
    config: str | None
    counted: bool
    known: bool
    scopes: int
    uses: list[ScopeUse]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUsages:
    """Every limit of the policy in force, the fullest first."""

    at: datetime
    policy_version: int
    limits: list[LimitUsage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A limit and scope whose counters do not agree with the ledger: ledger <= spent <= ledger + assumed."""

    limit: str
    measure: str
    scope: dict[str, str]
    ledger: Decimal
    spent: Decimal
    assumed: Decimal
    missing: Decimal
    excess: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """A limit that could not be compared."""

    limit: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitAgreement:
    """Whether the counters agree with the ledger. `expected`: more requests than calls, as retries are counted."""

    checked: int
    expected: int
    differences: list[Difference]
    unchecked: list[Unchecked]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedAmount:
    """What was added to a counter."""

    limit: str
    measure: str
    scope: dict[str, str]
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild has done."""

    booked: list[BookedAmount]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCharge:
    """What a call under way holds of one limit."""

    limit: str | None
    scope: dict[str, str] | None
    measure: str | None
    amount: Decimal
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCall:
    """A call under way."""

    id: str
    owner: str
    started_at: datetime | None
    expires_at: datetime
    charges: list[HeldCharge]


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """What is held and not settled."""

    calls: list[HeldCall]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One limit, before a call; `reason` says why the call is beyond it."""

    can_call: bool
    current_count: Decimal | None
    limit_value: Decimal
    remaining: Decimal | None
    reset_at: datetime | None
    limit: str
    form: str
    mode: str
    measure: str
    scope: dict[str, str]
    estimate: Decimal | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether a call would be admitted; the numbers are those of the limit that denies it, or else of the tightest.

    `steps` are those of ladders, or `emergency`, that would change it.
    """

    can_call: bool
    limited: bool
    current_count: Decimal | None
    limit_value: Decimal | None
    remaining: Decimal | None
    reset_at: datetime | None
    limit: str | None
    reason: str | None
    message: str | None
    limits: list[Checked]
    steps: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyState:
    """A version of the policy; `document` is as a policy file in JSON. Version 0: nobody has set one."""

    version: int
    recorded_at: datetime | None
    author: str | None
    reason: str | None
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInForce(PolicyState):
    """One that was asked for; `file` is what the sidecar puts in force at each start, if anything."""

    file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet(PolicyState):
    """What is in force now; `kept_quotas` are limits that it did not name, and that stay."""

    kept_quotas: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyHistory:
    """What was ever in force, newest first."""

    versions: list[PolicyState]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldOf:
    """A percentage of a limit that somebody would have been told of, and how often; 101: it was exceeded."""

    percent: int
    times: int
    first_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOutcome:
    """What one limit would have done to those whom `scope` names."""

    limit: str
    form: str
    mode: str
    scope: dict[str, str]
    calls: int
    denied: int
    delayed: int
    reasons: dict[str, int]
    degraded: dict[str, int]
    saved_tokens: int
    saved: Decimal
    unknown: int
    first_denied_at: datetime | None
    last_denied_at: datetime | None
    told: list[ToldOf]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtested:
    """What a policy would have done to the calls of a period; of `unknown` denied calls nobody knows the cost."""

    start: datetime
    end: datetime
    zone: str
    calls: int
    denied: int
    delayed: int
    unmeasured: int
    tokens: int
    cost: Decimal
    saved_tokens: int
    saved: Decimal
    saved_nano_usd: int
    unknown: int
    degraded: int
    degraded_saved: Decimal
    emergency_at: datetime | None
    outcomes: list[LimitOutcome]
    more_outcomes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaStatus:
    """One configuration, in the period of its quota; `quota_limit` is `None` where it has none."""

    config_id: str
    provider: str | None
    total_requests: int
    successful_requests: int
    failed_requests: int
    total_tokens: int
    quota_limit: int | None
    quota_remaining: int | None
    usage_percent: float | None
    alert_threshold_percent: int | None
    alert_triggered: bool
    reset_at: datetime
    last_updated: datetime | None
    last_alert_sent: datetime | None
    mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaStatuses:
    """Of every configuration that has a quota, or was used this month."""

    quotas: list[QuotaStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertClaim:
    """Whether the one who asked is to tell."""

    claimed: bool
