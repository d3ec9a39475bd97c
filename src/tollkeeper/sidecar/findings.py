"""What somebody should know just now: it is looked for anew each time, and `storage.alerts` knows what is news."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from tollkeeper.model import Limit
from tollkeeper.model.finding import SEVERITIES, Finding, FindingKind, Identity, Unseen, severity_at
from tollkeeper.model.limit import THRESHOLDS
from tollkeeper.policy.forms import window_text, write_form
from tollkeeper.policy.period import LENGTHS
from tollkeeper.sidecar.agreement import LONG_ENOUGH, Agreement
from tollkeeper.sidecar.contributors import Contributors
from tollkeeper.sidecar.limit_use import LimitUse, LimitUses, is_counted
from tollkeeper.sidecar.limit_watch import LimitWatch
from tollkeeper.sidecar.limiting import Limiting, charge_of
from tollkeeper.storage.counters import CountersUnavailable
from tollkeeper.storage.emergency import EmergencySwitch
from tollkeeper.storage.ledger import Ledger, UsageQuery

FULL = 100
USED_UP = (FULL,)
"""What is told of a short or rolling limit, unless it says otherwise: that it fills is its daily life."""
FORESEEN_FROM = 0.1
"""How much of a period must be over before anything is said of its end."""
STALE_SECONDS = 60 * 86_400
"""Providers change prices every few weeks: a list that was installed longer ago lacks some of them."""
LATELY = LENGTHS["day"]
"""For so long after its last call a model without a price is told of."""


def prices_installed_at() -> float | None:
    """Seconds since the epoch. The list has no date of its own; what was installed cannot be newer than that."""
    spec = find_spec("genai_prices")
    return None if spec is None or spec.origin is None else os.stat(spec.origin).st_mtime


MOST_ALERTS = 100
"""Of one limit, or of models without a price, by themselves; all others together are one alert."""
OTHERS = "all others"


class Findings:
    """Of one sidecar. `clock` tells nanoseconds since the epoch. Raises `LedgerUnavailable`.

    `others` are what looks for findings of other kinds; they are given the moment.
    """

    def __init__(
        self,
        uses: LimitUses,
        limiting: Limiting,
        agreement: Agreement,
        ledger: Ledger,
        watch: LimitWatch,
        clock: Callable[[], int],
        others: Mapping[FindingKind, Callable[[int], Iterator[Finding]]] = {},  # noqa: B006  never changed
        forecast: Callable[[LimitUse], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        """`others` are the sources of other kinds; `forecast` tells facts of where a limit's period will end."""
        self._forecast = forecast
        self._others = others
        self._uses = uses
        self._limiting = limiting
        self._emergency = EmergencySwitch(limiting.counters, "alerts")
        self._agreement = agreement
        self._ledger = ledger
        self._contributors = Contributors(ledger, clock)
        self._watch = watch
        self._clock = clock

    def look(self, firing: Collection[Identity] = ()) -> tuple[list[Finding], Unseen]:
        """All that holds now, and what cannot be looked for.

        `firing` are the identities of what is known already: of very many, they are among those that are told of. Of
        limits they are in it at level 0, too.
        """
        now = self._clock()
        self._unknown: frozenset[str] = frozenset()
        sources: Mapping[FindingKind, Callable[[int], Iterator[Finding]]] = {
            "limit": lambda now: self._of_limits(now, firing),
            "emergency": self._of_emergency,
            "unpriced_model": self._of_unpriced,
            "counters_disagree": self._of_counters,
            "stale_prices": self._of_prices,
            **self._others,
        }
        found: list[Finding] = []
        unseen: set[tuple[str, str | None]] = set()
        for kind, source in sources.items():
            try:
                found += bounded(list(source(now)), firing)
            except CountersUnavailable:
                unseen.add((kind, None))
        return found, frozenset(unseen | {("limit", name) for name in self._unknown})

    def contributors(self, finding: Finding) -> list[dict[str, Any]]:
        """Who has used the most of a limit in the finding's period: amounts in the unit of its measure, and shares."""
        limit = next((limit for limit in self._limiting.policy.limits if limit.name == finding.subject), None)
        if finding.kind != "limit" or limit is None or not finding.period_end:
            return []
        used = finding.facts.get("used", 0)
        return self._contributors.of(limit, finding.scope, finding.period_start, finding.period_end, used)

    def _of_limits(self, now: int, firing: Collection[Identity]) -> Iterator[Finding]:
        uses, self._unknown, _ = self._uses.look()
        known = {use.key for use in uses}
        followed = dict(self._followed(now, firing))
        # Whose every call is denied has none in the ledger.
        others = self._uses.of_keys({*self._watch.denying(), *followed} - known)
        missing = followed.keys() - known - {use.key for use in others}
        self._unknown |= {followed[key] for key in missing}
        for use in (*uses, *others):
            finding = finding_of(use, now, self._watch.denied(use.key, now), self._forecast)
            if finding.level or finding.identity in firing:
                yield finding

    def _followed(self, now: int, firing: Collection[Identity]) -> Iterator[tuple[str, str]]:
        """What fires of the limits that there are: how counters name it, and the limit's name."""
        limits = {limit.name: limit for limit in self._limiting.policy.limits if is_counted(limit)}
        for kind, subject, pairs, _ in firing:
            limit, scope = limits.get(subject) if kind == "limit" else None, dict(pairs)
            if limit is not None and scope.keys() == set(limit.per) and OTHERS not in scope.values():
                yield charge_of(limit, scope, now).key, subject

    def _of_emergency(self, _: int) -> Iterator[Finding]:
        if self._emergency.is_on():
            yield Finding("emergency", "", {}, "emergency")

    def _of_unpriced(self, now: int) -> Iterator[Finding]:
        for row in self._ledger.usage(UsageQuery(now - LATELY, now, ("provider", "model"))):
            if row.totals.unpriced:
                provider, model = row.group
                facts = {"calls": row.totals.unpriced}
                yield Finding("unpriced_model", model, {"provider": provider}, "warning", facts=facts)

    def _of_counters(self, _: int) -> Iterator[Finding]:
        for name in sorted(self._agreement.disagreeing):
            yield Finding("counters_disagree", name, {}, "warning")

    def _of_prices(self, now: int) -> Iterator[Finding]:
        installed_at = prices_installed_at()
        if installed_at is not None and now / 10**9 - installed_at > STALE_SECONDS:
            yield Finding("stale_prices", "genai-prices", {}, "warning", facts={"installed_at": int(installed_at)})


def bounded(findings: Sequence[Finding], firing: Container[Identity]) -> Iterator[Finding]:
    """Where one limit has very many at a threshold, or very many models no price: most of them in one finding.

    Those that are known already go before, then the worst.
    """
    by_subject: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.kind == "limit" and not finding.level:
            yield finding
        else:
            by_subject.setdefault(finding.subject if finding.kind == "limit" else finding.kind, []).append(finding)
    for ours in by_subject.values():
        ours.sort(key=lambda one: (one.identity not in firing, -one.level, -SEVERITIES.index(one.severity),
                                     -one.facts.get("percent", 0)))  # fmt: skip
        yield from ours[:MOST_ALERTS]
        if rest := ours[MOST_ALERTS:]:
            worst = max(rest, key=lambda one: (one.level, SEVERITIES.index(one.severity)))
            scope = dict.fromkeys(worst.scope, OTHERS)
            subject = worst.subject if worst.kind == "limit" else OTHERS
            yield worst._replace(subject=subject, scope=scope, facts={**worst.facts, "others": len(rest)})


def finding_of(
    use: LimitUse, now: int, denied: int = 0, forecast: Callable[[LimitUse], Mapping[str, Any]] = lambda _: {}
) -> Finding:
    """What there is to tell of a limit; below all of its thresholds at level 0.

    One that has denied calls as they did not fit into what is left is used up to all who need it.
    """
    limit = use.limit
    denies = bool(denied) and not limit.wait
    reached = (at for at in told_at(limit) if use.used * 100 >= limit.amount * at or denies and at == FULL)
    level = max(reached, default=0)
    # A short period is over before anybody reads of it: what goes on from one to the next is the same news.
    start, end = (use.period_start, use.period_end) if _is_long(limit) else (0, 0)
    facts = {**_facts(use, level, denied, now), **forecast(use)}
    return Finding("limit", limit.name, use.scope, severity_at(level), level, start, end, facts)


def told_at(limit: Limit) -> tuple[int, ...]:
    """The percentages of a limit that are told of: none of one that binds each call by itself."""
    if not is_counted(limit):
        return ()
    return limit.at if _is_long(limit) or limit.at != THRESHOLDS else USED_UP


def _is_long(limit: Limit) -> bool:
    return limit.window is not None and not limit.window.rolling and limit.window.unit in LONG_ENOUGH


def _facts(use: LimitUse, level: int, denied: int, now: int) -> dict[str, Any]:
    limit = use.limit
    facts: dict[str, Any] = {
        "measure": limit.measure,
        "amount": limit.amount,
        "used": use.used,
        "held": use.held,
        "percent": round(use.ratio * 100, 1),
        "form": write_form(limit),
        "mode": limit.mode,
        "window": window_text(limit.window, limit.measure),
        "threshold": level,
        "denied": denied,
    }
    elapsed = use.elapsed(now)
    if elapsed is not None and elapsed >= FORESEEN_FROM and _is_long(limit):
        facts["pace"] = round(use.ratio / elapsed, 2)
        facts["forecast"] = int(use.used / elapsed)
    return facts
