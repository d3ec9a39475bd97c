"""Which limits bind a call, for whom, and what the call takes of each. Found once for each kind of call, and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tollkeeper.model.charge import Charge, Level
from tollkeeper.model.decision import Bound, Status
from tollkeeper.model.limit import PER, Limit, Window
from tollkeeper.policy.period import LENGTHS, period_of

KEPT = 4096
_TAGS = frozenset(PER) - {"model", "provider"}


class Binding(NamedTuple):
    """A limit that binds a call; `scope` is who shares its usage, and `key` names that usage."""

    limit: Limit
    scope: Mapping[str, str]
    key: str

    def status(self, level: Level, resets_at: int | None) -> Status:
        """How the limit stands."""
        return Status(self.limit, self.scope, level.spent + level.held, level.held, resets_at)


class Bindings(NamedTuple):
    """Of one kind of call: `each` is bound by itself, `counted` together with others.

    `counts_tokens` and `counts_usd` say what must be known of a call. `needs_output`: a hard limit must know how much
    an answer may become; `most_output` is put into a call that does not say it (`None`: nothing is).
    """

    each: tuple[Binding, ...]
    counted: tuple[Binding, ...]
    counts_tokens: bool = False
    counts_usd: bool = False
    needs_output: bool = False
    most_output: int | None = None

    def __bool__(self) -> bool:
        return bool(self.each or self.counted)


NONE = Bindings((), ())


class Binder:
    """Finds the limits of calls. Shared between threads without a lock: what two look up at once is the same."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = tuple(limits)
        self._names = tuple(sorted({name for limit in self._limits for name in _tags_of(limit)}))
        self._known: dict[tuple[str, ...], Bindings] = {}
        self._periods: dict[Window, tuple[int, int]] = {}

    def of(self, provider: str, model: str, operation: str, tags: Mapping[str, str]) -> Bindings:
        """What binds such a call."""
        key = (provider, model, operation, *[tags.get(name, "") for name in self._names])
        found = self._known.get(key)
        if found is None:
            found = self._find(provider, model, operation, tags)
            if len(self._known) >= KEPT:
                self._known = {}
            self._known[key] = found
        return found

    def of_scope(self, values: Mapping[str, str]) -> list[Binding]:
        """The limits whose usage these values name: those that count for no more than them."""
        return [_bind(limit, values) for limit in self._limits if values.keys() >= set(limit.per)]

    def charge(self, binding: Binding, bound: Bound, now: int) -> Charge | None:
        """What a call takes of a limit at the most; `None` where it takes nothing, as a free one does of a budget."""
        limit, key = binding.limit, binding.key
        amount = bound.of(limit.measure)
        if amount == 0 and limit.measure == "usd":
            return None
        amount = amount or 0
        hard, window = limit.mode == "hard", limit.window
        if window is None:
            return Charge(key, amount, limit.amount, hard, "slots")
        if window.rolling:
            burst = limit.amount if window.burst is None else window.burst
            return Charge(key, amount, limit.amount, hard, "rate", 0, LENGTHS[window.unit], burst)
        start, until = self.period(window, now)
        return Charge(f"{key}{start}", amount, limit.amount, hard, "period", until)

    def period(self, window: Window, now: int) -> tuple[int, int]:
        """The period of a calendar window that `now` is in."""
        known = self._periods.get(window)
        if known is None or not known[0] <= now < known[1]:
            known = self._periods[window] = period_of(window, now)
        return known

    def _find(self, provider: str, model: str, operation: str, tags: Mapping[str, str]) -> Bindings:
        found = [
            _bind(limit, {**tags, "provider": provider, "model": model})
            for limit in self._limits
            if limit.binds(provider, model, operation, tags)
        ]
        if not found:
            return NONE
        measures = {binding.limit.measure for binding in found}
        asking = [one.limit.unbounded for one in found if one.limit.mode == "hard" and one.limit.counts_output]
        caps = [each for each in asking if each != "refuse"]
        return Bindings(
            each=tuple(binding for binding in found if _is_cap(binding.limit)),
            counted=tuple(binding for binding in found if not _is_cap(binding.limit)),
            counts_tokens=not measures <= {"requests", "concurrency"},
            counts_usd="usd" in measures,
            needs_output=bool(asking),
            most_output=min(caps) if caps and len(caps) == len(asking) else None,
        )


def _is_cap(limit: Limit) -> bool:
    return limit.window is None and limit.measure != "concurrency"


def _bind(limit: Limit, values: Mapping[str, str]) -> Binding:
    scope: dict[str, str] = {name: values.get(name, "") for name in limit.per}
    unit = limit.window.unit if limit.window is not None else ""
    # JSON tells apart what values of any kind could not be told apart by a separator.
    return Binding(limit, scope, f"{limit.name} {unit} {json.dumps(list(scope.values()))} ")


def _tags_of(limit: Limit) -> set[str]:
    matched = {name for match in (limit.match, *limit.exempt) for name in match.tags}
    return matched | (_TAGS & set(limit.per))
