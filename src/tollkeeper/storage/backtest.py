"""What a policy would have done to calls that were made: which it would have denied, and what that would have saved.

The calls are asked for again in their order, against counters of their own and a clock that follows them. Each holds
what it truly used from when it began to when it ended, then books it; one that is denied uses nothing. As estimates
before a call are never lower than its use, real limits deny a little earlier. Steps of ladders change calls as they
fill, and an emergency begins and stays; failover is not replayed.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tollkeeper.model import Bound, Call, Denial, Limit, Status
from tollkeeper.policy import Policy
from tollkeeper.policy.binding import Binding
from tollkeeper.policy.period import LENGTHS, period_of
from tollkeeper.storage.admission import Admission, Ticket
from tollkeeper.storage.backtest_steps import Changed, Reprice, Steps
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.ledger import Kept

NS_A_SECOND = 1_000_000_000
NEVER_LOST = 10 * 365 * 86_400
"""Seconds: how long a replayed call may be under way."""
EXCEEDED = 101
"""The percentage by which it is told that a soft limit was exceeded."""


@dataclass(slots=True)
class Told:
    """How often a percentage of a limit would have been told of, once a period, and when first."""

    times: int = 0
    first_at: int = 0


@dataclass(slots=True)
class Outcome:
    """What one limit would have done to those whom `scope` names. Moments are nanoseconds since the epoch.

    `delayed` are those that it let go after a wait. `tokens` and `nano_usd` are what its denials would have saved;
    `unknown` counts those of which nobody knows the cost.
    """

    limit: Limit
    scope: Mapping[str, str]
    calls: int = 0
    denied: int = 0
    delayed: int = 0
    tokens: int = 0
    nano_usd: int = 0
    unknown: int = 0
    first_denied_at: int | None = None
    last_denied_at: int | None = None
    degraded: Counter[str] = field(default_factory=Counter)
    """Calls that its ladder, or an emergency, would have changed, by step."""
    reasons: Counter[str] = field(default_factory=Counter)
    told: dict[int, Told] = field(default_factory=dict)


class Backtest(NamedTuple):
    """All of it. `nano_usd` is what the calls cost; `saved_nano_usd` is a part of it, and may be too low: of `unknown`
    denied calls nobody knows the cost. `unmeasured` calls are replayed as if they had used nothing. `degraded` ones
    would have been sent otherwise, to another model or cut short; what that saves is not in `saved_nano_usd`, and
    counts where both prices are known."""

    calls: int
    denied: int
    delayed: int
    unmeasured: int
    tokens: int
    nano_usd: int
    saved_tokens: int
    saved_nano_usd: int
    unknown: int
    degraded: int
    degraded_saved_nano_usd: int
    emergency_at: int | None
    outcomes: tuple[Outcome, ...]


def warm_up(policy: Policy, start: int) -> int:
    """From when on calls are to be replayed, for what was used by `start` to be known: from where its periods begin."""
    windows = [limit.window for limit in policy.limits if limit.window is not None]
    begins = [start - LENGTHS[each.unit] if each.rolling else period_of(each, start)[0] for each in windows]
    return max(min(begins, default=start), 0)


def backtest(policy: Policy, calls: Iterable[Kept], start: int = 0, reprice: Reprice = lambda call: None) -> Backtest:
    """Replay calls, which come in the order of their beginning. Those before `start` are used, and not told of.

    `reprice` says what a call would have cost that a ladder changes.
    """
    replay = _Replay(policy, start, reprice)
    for kept in calls:
        replay.run(until=kept.call.started_at)
        replay.ask(kept)
    replay.run(until=None)
    return replay.result()


class _Waiting(NamedTuple):
    """A call that asks again, until some moment; `outcome` is of the limit that let it wait first."""

    kept: Kept
    sent: Changed
    until: int
    outcome: Outcome


class _Replay:
    def __init__(self, policy: Policy, start: int, reprice: Reprice) -> None:
        self._now = 0
        self._start = start
        counters = MemoryCounters(lambda: self._now)
        self._admission = Admission(Policy(policy.name, policy.limits), counters, "backtest", NEVER_LOST)
        self._steps = Steps(policy, counters, reprice) if policy.changes_calls else None
        self._due: list[tuple[int, int, Ticket | _Waiting]] = []
        self._ends: list[int] = []
        self._number = 0
        self._outcomes: dict[tuple[str, tuple[str, ...]], Outcome] = {}
        self._reached: dict[tuple[str, tuple[str, ...]], tuple[int | None, int]] = {}
        self._sums: Counter[str] = Counter()

    def run(self, until: int | None) -> None:
        """Let calls end, and those that wait ask again, up to a moment."""
        due = self._due
        while due and (until is None or due[0][0] <= until):
            at, _, what = heapq.heappop(due)
            self._now = max(self._now, at)
            if isinstance(what, _Waiting):
                self._decide(what.kept, what.sent, what)
            else:
                heapq.heappop(self._ends)
                self._note_near(self._admission.settle(what, what.bound))
        if until is not None:
            self._now = max(self._now, until)

    def ask(self, kept: Kept) -> None:
        """A call begins."""
        if self._is_told:
            self._sums["calls"] += 1
            self._sums["unmeasured"] += kept.call.error_type is None and kept.call.usage_source == "unknown"
            self._sums["tokens"] += _tokens(kept.call)
            self._sums["nano_usd"] += kept.nano_usd or 0
            for binding in self._bindings(kept.call):
                self._outcome(binding.limit, binding.scope).calls += 1
        sent: Changed | Denial = Changed(kept)
        if self._steps is not None:
            sent = self._steps.change(kept, self._admission.bindings(_asking(kept.call)).counted, self._now)
        if isinstance(sent, Changed):
            self._decide(kept, sent, None)
        elif self._is_told:
            self._note_denial(kept, sent)

    def result(self) -> Backtest:
        """The limits that deny most come first, then those that save most."""
        outcomes = [one for one in self._outcomes.values() if one.calls]
        outcomes.sort(key=lambda one: (-one.denied, -one.nano_usd, -one.calls))
        sums = self._sums
        return Backtest(
            sums["calls"], sums["denied"], sums["delayed"], sums["unmeasured"], sums["tokens"], sums["nano_usd"],
            sums["saved_tokens"], sums["saved_nano_usd"], sums["unknown"], sums["degraded"],
            sums["degraded_saved_nano_usd"], self._steps.emergency_at if self._steps is not None else None,
            tuple(outcomes),
        )  # fmt: skip

    @property
    def _is_told(self) -> bool:
        return self._now >= self._start

    def _bindings(self, call: Call) -> tuple[Binding, ...]:
        found = self._admission.bindings(_asking(call))
        return (*found.each, *found.counted)

    def _decide(self, kept: Kept, sent: Changed, waiting: _Waiting | None) -> None:
        call = sent.kept.call
        bindings = self._admission.bindings(_asking(call), sent.throttles)
        if not bindings:
            self._note_degraded(kept, sent)
            return
        self._number += 1
        answer = self._admission.admit(f"{call.id}#{self._number}", bindings, _used(sent.kept))
        if isinstance(answer, Ticket):
            self._note_degraded(kept, sent)
            ends = self._now + round((call.duration or 0) * NS_A_SECOND)
            heapq.heappush(self._ends, ends)
            heapq.heappush(self._due, (ends, self._number, answer))
            if waiting is not None and self._is_told:
                waiting.outcome.delayed += 1
                self._sums["delayed"] += 1
            return
        again = self._again(answer)
        if waiting is None:
            status = answer.status
            until = self._now + round(status.limit.wait * NS_A_SECOND)
            waiting = _Waiting(kept, sent, until, self._outcome(status.limit, status.scope))
        if again is not None and again <= waiting.until:
            heapq.heappush(self._due, (again, self._number, waiting))
        elif self._is_told:
            self._note_denial(kept, answer)

    def _again(self, denial: Denial) -> int | None:
        """When there may be room. Where calls under way have it all, that is when one of them ends."""
        if denial.reason != "used_up":
            return None
        if denial.retry_after is not None:
            return self._now + max(round(denial.retry_after * NS_A_SECOND), 1)
        return self._ends[0] if self._ends else None

    def _note_denial(self, kept: Kept, denial: Denial) -> None:
        outcome = self._outcome(denial.status.limit, denial.status.scope)
        tokens, nano_usd, is_unknown = _tokens(kept.call), kept.nano_usd or 0, kept.unpriced
        outcome.denied += 1
        outcome.reasons[denial.reason] += 1
        outcome.tokens += tokens
        outcome.nano_usd += nano_usd
        outcome.unknown += is_unknown
        outcome.last_denied_at = self._now
        if outcome.first_denied_at is None:
            outcome.first_denied_at = self._now
        for name, number in (
            ("denied", 1), ("saved_tokens", tokens), ("saved_nano_usd", nano_usd), ("unknown", is_unknown),
        ):  # fmt: skip
            self._sums[name] += number

    def _note_degraded(self, kept: Kept, sent: Changed) -> None:
        if not sent.steps or not self._is_told:
            return
        self._sums["degraded"] += 1
        if kept.nano_usd is not None and sent.kept.nano_usd is not None:
            self._sums["degraded_saved_nano_usd"] += kept.nano_usd - sent.kept.nano_usd
        for binding in self._bindings(kept.call):
            self._outcome(binding.limit, binding.scope).degraded.update(sent.steps)

    def _note_near(self, statuses: Iterable[Status]) -> None:
        """Each percentage once a period, the highest of those that one call passes."""
        for status in statuses:
            limit, spent = status.limit, status.used - status.held
            passed = [at for at in limit.at if spent * 100 >= limit.amount * at]
            if spent > limit.amount:
                passed.append(EXCEEDED)
            if not passed:
                continue
            key = _key(limit, status.scope)
            period, before = self._reached.get(key, (None, 0))
            if period != status.resets_at:
                before = 0
            highest = max(passed)
            if highest > before:
                self._reached[key] = (status.resets_at, highest)
                if self._is_told:
                    told = self._outcome(limit, status.scope).told.setdefault(highest, Told(0, self._now))
                    told.times += 1

    def _outcome(self, limit: Limit, scope: Mapping[str, str]) -> Outcome:
        key = _key(limit, scope)
        found = self._outcomes.get(key)
        if found is None:
            found = self._outcomes[key] = Outcome(limit, scope)
        return found


def _key(limit: Limit, scope: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    return limit.name, tuple(scope.values())


def _asking(call: Call) -> Call:
    """Limits look at the model that was asked for. Others' instrumentations may tell only the one that answered."""
    if call.request_model is None:
        call.request_model = call.response_model
    return call


def _used(kept: Kept) -> Bound:
    """What a call has used. A call that has failed used nothing, unless somebody counted."""
    usage = kept.call.usage
    nano_usd = None if kept.unpriced else kept.nano_usd or 0
    return Bound(usage.input_tokens or 0, usage.output_tokens or 0, nano_usd, unpriced=kept.unpriced)


def _tokens(call: Call) -> int:
    return (call.usage.input_tokens or 0) + (call.usage.output_tokens or 0)
