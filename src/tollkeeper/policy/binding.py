"""Which limits bind a call, for whom, and what the call takes of each. Found once for each kind of call, and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tollkeeper.model.charge import Charge, Kind, Level
from tollkeeper.model.decision import Status
from tollkeeper.model.limit import PER, Limit
from tollkeeper.policy.period import LENGTHS, period_of

KEPT = 4096
_TAGS = frozenset(PER) - {"model", "provider"}


class Binding:
    """A limit that binds a call; `scope` is who shares its usage, and `key` names that usage."""

    __slots__ = ("_period", "_rest", "key", "limit", "measure", "scope", "tells_from")

    def __init__(self, limit: Limit, scope: Mapping[str, str], key: str) -> None:
        self.limit = limit
        self.measure = limit.measure
        self.scope = scope
        self.key = key
        self.tells_from = -(-limit.amount * limit.at[0] // 100) if limit.at else FOR_EVER
        """How much must be used before there is anything to tell."""
        self._rest = _rest_of(limit)
        # Replaced as a whole: threads that see it change see the one period or the other.
        self._period = _NEVER if self._rest[0] == "period" else (0, FOR_EVER, 0, key)

    def charge(self, amount: int, now: int) -> Charge:
        """What a call that uses so much takes of the limit."""
        start, end, until, key = self._period
        if not start <= now < end:
            start, until, key = self._turn(now)
        kind, window, burst = self._rest
        limit = self.limit
        # A named tuple made by name takes three times as long, and each call makes one for every limit.
        return _tuple(Charge, (key, amount, limit.amount, limit.mode == "hard", kind, until, window, burst))

    def status(self, level: Level, resets_at: int | None) -> Status:
        """How the limit stands."""
        return Status(self.limit, self.scope, level.spent + level.held, level.held, resets_at)

    def _turn(self, now: int) -> tuple[int, int, str]:
        assert self.limit.window is not None
        start, until = period_of(self.limit.window, now)
        key = f"{self.key}{start}"
        self._period = (start, until, until, key)
        return start, until, key


FOR_EVER = 2**63
_NEVER = (0, 0, 0, "")
_tuple: Callable[[type[Charge], tuple[object, ...]], Charge] = tuple.__new__


def _rest_of(limit: Limit) -> tuple[Kind, int, int]:
    """Kind, window and burst of the charges of a limit."""
    window = limit.window
    if window is None:
        return "slots", 0, 0
    if window.rolling:
        return "rate", LENGTHS[window.unit], limit.amount if window.burst is None else window.burst
    return "period", 0, 0


class Bindings(NamedTuple):
    """Of one kind of call: `each` is bound by itself, `counted` together with others.

    `counts_tokens` and `counts_usd` say what must be known of a call. `needs_output`: a hard limit must know how much
    an answer may become; `most_output` is put into a call that does not say it (`None`: nothing is).
    `estimates_output`: a soft one counts it, for which an estimate will do.
    """

    each: tuple[Binding, ...]
    counted: tuple[Binding, ...]
    counts_tokens: bool = False
    counts_usd: bool = False
    needs_output: bool = False
    most_output: int | None = None
    estimates_output: bool = False

    def __bool__(self) -> bool:
        return bool(self.each or self.counted)


NONE = Bindings((), ())


class Binder:
    """Finds the limits of calls. Shared between threads without a lock: what two look up at once is the same."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = tuple(limits)
        self._names = tuple(sorted({name for limit in self._limits for name in _tags_of(limit)}))
        self._known: dict[tuple[str, ...], Bindings] = {}

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
            estimates_output=any(one.limit.mode == "soft" and one.limit.counts_output for one in found),
        )


def joined(first: Bindings, second: Bindings) -> Bindings:
    """What binds a call of both."""
    most = [each.most_output for each in (first, second) if each.needs_output]
    caps = [each for each in most if each is not None]
    return Bindings(
        each=first.each + second.each,
        counted=first.counted + second.counted,
        counts_tokens=first.counts_tokens or second.counts_tokens,
        counts_usd=first.counts_usd or second.counts_usd,
        needs_output=bool(most),
        most_output=min(caps) if caps and len(caps) == len(most) else None,
        estimates_output=first.estimates_output or second.estimates_output,
    )


def _is_cap(limit: Limit) -> bool:
    return limit.window is None and limit.measure != "concurrency"


def _bind(limit: Limit, values: Mapping[str, str]) -> Binding:
    scope: dict[str, str] = {name: values.get(name, "") for name in limit.per}
    unit = limit.window.unit if limit.window is not None else ""
    # JSON tells apart what values of any kind could not be told apart by a separator.
    return Binding(limit, scope, f"{limit.name} {unit} {json.dumps(list(scope.values()))} ")


def scope_in(key: str, limit: Limit) -> list[str] | None:
    """The values of the limit's `per` that a key of its usage has; `None`, if it is not one of its keys."""
    unit = limit.window.unit if limit.window is not None else ""
    said = key.removeprefix(f"{limit.name} {unit} ")
    try:
        values, _ = json.JSONDecoder().raw_decode(said)
    except ValueError:
        return None
    return values if said != key and isinstance(values, list) else None


def _tags_of(limit: Limit) -> set[str]:
    matched = {name for match in (limit.match, *limit.exempt) for name in match.tags}
    return matched | (_TAGS & set(limit.per))
