"""How the quota of each configuration stands: what the ledger has of its period, without what was reset."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tollkeeper.model import Limit, Status
from tollkeeper.model.limit import Mode
from tollkeeper.policy.period import LENGTHS, period_of
from tollkeeper.policy.quota import MONTH, configs_of, name_of_quota, quota_limit, quota_of, with_limit, without_quota
from tollkeeper.sidecar.limiting import Limiting, charge_of
from tollkeeper.storage.counters import Hold
from tollkeeper.storage.ledger import CallQuery, Ledger, Totals, UsageQuery
from tollkeeper.storage.resets import Reset, Resets

DEFAULT_THRESHOLD = 80
OWNER = "quotas"


class Quota(NamedTuple):
    """A configuration's usage in the period; `limit` is `None` where it has no quota. Moments are nanoseconds."""

    config: str
    limit: Limit | None
    provider: str | None
    calls: int
    failed: int
    tokens: int
    period_start: int
    resets_at: int
    updated_at: int | None
    alerted_at: int | None

    @property
    def threshold(self) -> int | None:
        """The percentage at which somebody is told."""
        return None if self.limit is None else min(self.limit.at, default=DEFAULT_THRESHOLD)

    @property
    def percent(self) -> float | None:
        """Used, of the quota."""
        return None if self.limit is None else Status(self.limit, {}, self.tokens, 0, None).percent

    @property
    def is_near(self) -> bool:
        """Whether the threshold is reached."""
        return self.limit is not None and self.tokens * 100 >= self.limit.amount * (self.threshold or 0)


class Quotas:
    """The quotas of one sidecar."""

    def __init__(self, ledger: Ledger, limiting: Limiting, resets: Resets, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._limiting = limiting
        self._resets = resets
        self._clock = clock

    def all(self) -> list[Quota]:
        """Of every configuration that has a quota, or was used this month."""
        start, end = period_of(MONTH, self._clock())
        used = {row.group[0] for row in self._ledger.usage(UsageQuery(start, end, ("config",)))}
        return self._find(sorted((used | set(configs_of(self._limiting.policy))) - {""}))

    def one(self, config: str) -> Quota | None:
        """Of one; `None` if there is neither a quota nor a call."""
        (found,) = self._find([config])
        return found if found.limit is not None or found.updated_at is not None else None

    def set(self, config: str, tokens: int, threshold: int, mode: Mode, *, author: str, reason: str) -> None:
        """Give a configuration a quota, or another one. What it has used stays."""
        limit = quota_limit(config, tokens, threshold, mode)
        self._limiting.policies.edit(lambda policy: with_limit(policy, limit), author=author, reason=reason)

    def remove(self, config: str, *, author: str, reason: str) -> Quota | None:
        """Take a configuration's own quota away, and say how it stands then. `None`: it has none of its own."""
        name = name_of_quota(config)
        if all(limit.name != name for limit in self._limiting.policy.limits):
            return None
        self._limiting.policies.edit(lambda policy: without_quota(policy, config), author=author, reason=reason)
        (quota,) = self._find([config])
        return quota

    def reset(self, config: str, *, author: str, reason: str) -> bool:
        """Begin its usage anew, within the period. False: it has no quota. Raises `CountersUnavailable`."""
        (quota,) = self._find([config])
        if quota.limit is None:
            return False
        counters = self._limiting.counters
        charge = charge_of(quota.limit, {"config": config}, counters.now())
        (level,) = counters.read([charge])

        def book(id: str) -> None:
            hold = Hold(id, OWNER, counters.now(), (charge,))
            counters.settle(hold, [-level.spent])

        reset = Reset(
            # What the counters lack is set back as well, or it would be booked afterwards.
            quota.limit.name, {"config": config}, quota.period_start, max(level.spent, quota.tokens), quota.calls,
            quota.failed, quota.tokens,
        )  # fmt: skip
        self._resets.add(reset, book, author=author, reason=reason)
        return True

    def claim_alert(self, config: str, sender: str, interval: int) -> bool:
        """Whether the one who asks is to tell of a quota now."""
        return self._resets.claim_alert(config, sender, interval)

    def _find(self, configs: Iterable[str]) -> list[Quota]:
        policy, now, alerts = self._limiting.policy, self._clock(), self._resets.alerts()
        # A week, or a month of another time zone, may have begun before this month of UTC.
        resets = self._resets.since(period_of(MONTH, now)[0] - LENGTHS["week"] - LENGTHS["day"])
        found = []
        for config in configs:
            limit = quota_of(policy, config)
            window = limit.window if limit is not None and limit.window is not None else MONTH
            start, end = period_of(window, now)
            totals, provider = self._used(config, start, end)
            back = [one for one in resets if limit is not None and _is_of(one, limit, config, start)]
            found.append(
                Quota(
                    config,
                    limit,
                    provider,
                    max(totals.calls - sum(one.calls for one in back), 0),
                    max(totals.failed - sum(one.failed for one in back), 0),
                    max(totals.input_tokens + totals.output_tokens - sum(one.tokens for one in back), 0),
                    start,
                    end,
                    self._updated(config, start, end) if totals.calls else None,
                    alerts.get(config),
                )
            )
        return found

    def _used(self, config: str, start: int, end: int) -> tuple[Totals, str | None]:
        rows = self._ledger.usage(UsageQuery(start, end, ("provider",), {"config": (config,)}))
        provider = max(rows, key=lambda row: row.totals.calls).group[0] if rows else None
        columns = zip(*(row.totals for row in rows), strict=True)
        return (Totals(*map(sum, columns)) if rows else Totals()), provider

    def _updated(self, config: str, start: int, end: int) -> int | None:
        calls, _ = self._ledger.calls(CallQuery(start, end, {"config": (config,)}, limit=1))
        return int(calls[0]["recorded_at"]) if calls else None


def _is_of(reset: Reset, limit: Limit, config: str, start: int) -> bool:
    return (reset.limit_name, reset.scope.get("config"), reset.period_start) == (limit.name, config, start)
