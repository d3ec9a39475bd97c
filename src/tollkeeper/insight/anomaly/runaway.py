"""Loops that run away: much more than is usual at this hour, in the last five minutes and in the last hour alike.

As burn rates are told of (Google SRE workbook, "Alerting on SLOs", multiwindow): the hour says that enough was used to
matter, the five minutes that it is still going on, so that it is told of fast, and over soon. What is usual is of the
same hours of the weeks before; of a session, what other sessions use.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from tollkeeper.insight.robust import median_of_sorted, quantile_of_sorted, spread
from tollkeeper.insight.series import Scope
from tollkeeper.model.finding import Severity

MINUTE: Final = 60_000_000_000
SHORT: Final = 5 * MINUTE
LONG: Final = 60 * MINUTE
"""The two windows, in nanoseconds; both end now."""
TIMES: Final = LONG // SHORT

Slope = Literal["spend", "requests"]
SLOPES: Final[tuple[Slope, ...]] = ("spend", "requests")

NARROWEST: Final = ("session", "user", "feature", "service", "project", "tenant", "model", "provider")
"""Whose loop it can be, the narrowest first: that one names the cause."""

LEAST_SPREAD: Final = 0.25
"""Of logarithms of an hour's use: steadier than that nobody is for long."""
OF_FLOOR: Final = 0.05
"""An hour without calls counts as this part of the floor: logarithms know no zero."""
BEYOND_HIGHEST: Final = 2.0
"""What comes and goes varies so much that nothing would be unusual: so often the highest hours is, all the same."""
LEAST_HOURS: Final = 12
"""Fewer say nothing of what is usual."""
LEAST_PEERS: Final = 8
"""So many other sessions say what a session uses."""
COLD: Final = 4.0
"""So many times the floor is unusual where nothing is known of what is usual."""
GOES_ON: Final = 0.5
"""A loop that was found goes on while the last minutes have so much of what is unusual."""
WORSE_FROM: Final = 3.0
"""So many times what is unusual is critical."""
EXPLAINED: Final = 0.8
"""A wider scope is no news where so much of what it has used is that of a narrower one."""
FEW_CALLS: Final = 3
"""In the last minutes: fewer are no loop, however dear."""


class Sums(NamedTuple):
    """Of some calls. Tokens and money are of those of which they are known."""

    calls: int = 0
    failed: int = 0
    tokens: int = 0
    nano_usd: int = 0

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3])

    def of(self, slope: Slope) -> int:
        """What it adds up."""
        return self.nano_usd if slope == "spend" else self.calls


class Use(NamedTuple):
    """What was used in the two windows; the short one is a part of the long one."""

    hour: Sums = Sums()
    minutes: Sums = Sums()


Key = tuple[str, str]
"""A name and a value; of everybody two empty texts."""
EVERYBODY: Final[Key] = ("", "")


class Row(NamedTuple):
    """What calls with all these values have used: by `NARROWEST`, what they do not say is not there."""

    values: Scope
    sums: Sums

    def named(self) -> Iterator[Key]:
        """All that it is a part of."""
        yield EVERYBODY
        yield from self.values.items()


class Hour:
    """What was used in an hour. `hourly` and `sessions` are all of it, the one without sessions, the other by these
    only; `late` are its last minutes, with sessions.
    """

    def __init__(self, hourly: Iterable[Row], sessions: Mapping[str, Sums], late: Iterable[Row]) -> None:
        hours: dict[Key, Sums] = {("session", name): sums for name, sums in sessions.items()}
        for row in hourly:
            for key in row.named():
                known = hours.get(key)
                hours[key] = row.sums if known is None else known.plus(row.sums)
        self.late: dict[Key, list[Row]] = {}
        minutes: dict[Key, Sums] = {}
        for row in late:
            for key in row.named():
                known = minutes.get(key)
                minutes[key] = row.sums if known is None else known.plus(row.sums)
                self.late.setdefault(key, []).append(row)
        self.uses = {key: Use(hours.get(key, sums), sums) for key, sums in minutes.items()}
        self.hours = hours
        self._sessions = {slope: sorted(sums.of(slope) for sums in sessions.values()) for slope in SLOPES}

    def peers(self, session: str, slope: Slope) -> list[int]:
        """What other sessions have used, in order."""
        others = list(self._sessions[slope])
        own = self.hours.get(("session", session))
        if own is not None:
            del others[bisect_left(others, own.of(slope))]
        return others

    def others(self, key: Key) -> tuple[float, float] | None:
        """How many calls another one of its kind has made in the hour, and what one of its calls cost."""
        each = [sums for other, sums in self.hours.items() if other[0] == key[0] and other != key]
        calls, cost = sum(sums.calls for sums in each), sum(sums.nano_usd for sums in each)
        return (calls / len(each), cost / calls) if calls and cost else None


class Sensitivity(NamedTuple):
    """What is too much: above `floor` an hour, and so many (robust) standard deviations above what is usual."""

    floor: float
    deviations: float = 4.0


DEFAULTS: Final[Mapping[Slope, Sensitivity]] = {"spend": Sensitivity(5e9), "requests": Sensitivity(300)}
"""Five dollars an hour; 300 requests an hour."""


class Usual(NamedTuple):
    """What an hour usually has, and what is too much for one. `expected` is 0 where nothing was used before."""

    expected: float
    too_much: float
    spread: float


class Runaway(NamedTuple):
    """A loop. `calls` and `nano_usd` are those of the last hour, rates are by the last minutes, for an hour.

    `cause` is who has used most of it in the last minutes, by name, and which share of its scope. `before` is how many
    calls an hour had, and what one cost, `None` where nobody knows.
    """

    slope: Slope
    scope: Scope
    severity: Severity
    use: Use
    usual: Usual
    score: float
    cause: Mapping[str, tuple[str, float]]
    before: tuple[float, float] | None

    @property
    def bigger(self) -> bool | None:
        """Whether it is rather bigger calls than more of them; `None` where nobody knows."""
        calls, cost = self.use.minutes.calls, self.use.minutes.nano_usd
        if self.before is None or not self.before[0] or not self.before[1] or not cost:
            return None
        return cost / calls / self.before[1] > calls * TIMES / self.before[0]

    @property
    def key(self) -> Key:
        """Its scope."""
        return next(iter(self.scope.items()), EVERYBODY)

    @property
    def beyond(self) -> float:
        """What the last minutes have used beyond what is usual."""
        return self.use.minutes.of(self.slope) - self.usual.expected / TIMES

    @property
    def rate(self) -> float:
        """An hour of what the last minutes have used."""
        return self.use.minutes.of(self.slope) * TIMES


def is_steep(use: Use, slope: Slope, too_much: float) -> bool:
    """Whether both windows have more."""
    return (
        use.minutes.calls >= FEW_CALLS
        and use.hour.of(slope) >= too_much
        and use.minutes.of(slope) * TIMES >= too_much
    )  # fmt: skip


def goes_on(use: Use, slope: Slope, too_much: float) -> bool:
    """Whether what was found is not over yet."""
    return use.minutes.of(slope) * TIMES >= too_much * GOES_ON


def usual_of(hours: Sequence[float], sensitivity: Sensitivity) -> Usual:
    """What is usual by the same hours of other days; those without calls are among them."""
    if len(hours) < LEAST_HOURS:
        return Usual(0.0, sensitivity.floor * COLD, LEAST_SPREAD)
    return _usual(sorted(hours), sensitivity)


def usual_of_peers(ordered: Sequence[float], sensitivity: Sensitivity) -> Usual:
    """What is usual by what others have used in the same hour, in order."""
    if len(ordered) < LEAST_PEERS:
        return Usual(0.0, sensitivity.floor * COLD, LEAST_SPREAD)
    return _usual(ordered, sensitivity)


def _usual(ordered: Sequence[float], sensitivity: Sensitivity) -> Usual:
    floor, deviations = sensitivity
    logs = [math.log(max(value, 0.0) / floor + OF_FLOOR) for value in ordered]
    middle, expected = median_of_sorted(logs) or 0.0, median_of_sorted(ordered) or 0.0
    wide = max(spread(logs, middle) or 0.0, LEAST_SPREAD)
    by_spread = math.exp(min(middle + deviations * wide, 700.0)) * floor
    by_highest = (quantile_of_sorted(ordered, 0.95) or 0.0) * BEYOND_HIGHEST
    return Usual(expected, max(floor, min(by_spread, by_highest)), wide)


def found(key: Key, slope: Slope, usual: Usual, hour: Hour, before: tuple[float, float] | None) -> Runaway:
    """The loop of a scope that is steep.

    `before` is what was usual: how many calls in an hour, and what one cost. Without it, what others of its kind do now
    is taken.
    """
    use = hour.uses.get(key, Use())
    amount = max(use.hour.of(slope), use.minutes.of(slope) * TIMES)
    return Runaway(
        slope,
        {key[0]: key[1]} if key[0] else {},
        "critical" if amount >= usual.too_much * WORSE_FROM else "warning",
        use,
        usual,
        _score(amount, usual),
        _cause(hour.late.get(key, ()), use, slope, key[0]),
        before or hour.others(key),
    )


def _score(amount: float, usual: Usual) -> float:
    least = usual.too_much * OF_FLOOR
    return (math.log(amount + least) - math.log(usual.expected + least)) / usual.spread


def by_session(one: Runaway, hour: Hour) -> Runaway:
    """The same as the loop of one session, if it is that: few other sessions may say what is usual for one."""
    if "session" in one.scope:
        return one
    sessions: dict[str, int] = {}
    for row in hour.late.get(one.key, ()):
        if name := row.values.get("session"):
            sessions[name] = sessions.get(name, 0) + row.sums.of(one.slope)
    name = max(sessions, key=lambda each: sessions[each], default="")
    key = ("session", name)
    if not name or sessions[name] < one.beyond * EXPLAINED:
        return one
    if not is_steep(hour.uses[key], one.slope, one.usual.too_much):
        return one
    return found(key, one.slope, one.usual._replace(expected=0.0), hour, one.before)


def narrowed(runaways: Iterable[Runaway], hour: Hour, known: Sequence[Runaway] = ()) -> list[Runaway]:
    """Those that stand for themselves: of what is the same loop, the one that is `known`, else the narrowest."""
    keys = {one.key for one in known}
    new = []
    for one in sorted(runaways, key=_order):
        if one.key not in keys and not _is_explained(one, keys, hour) and not _is_part(one, known, hour):
            keys.add(one.key)
            new.append(one)
    return new


def since(minutes: Sequence[int]) -> int:
    """In which of the minutes, the oldest first, it began: from there on they were as high as the last ones."""
    last, begin = sum(minutes[-5:]), len(minutes)
    for at in range(len(minutes) - 1, -1, -1):
        first = min(at, len(minutes) - 5)
        if sum(minutes[first : first + 5]) < last * GOES_ON:
            break
        if minutes[at] >= last / 5 * GOES_ON / 2:
            begin = at
    return min(begin, max(len(minutes) - 1, 0))


def _order(one: Runaway) -> tuple[int, int, float]:
    return (_width(one.key), SLOPES.index(one.slope), -one.rate)


def _width(key: Key) -> int:
    return NARROWEST.index(key[0]) if key[0] else len(NARROWEST)


def _is_explained(one: Runaway, keys: Iterable[Key], hour: Hour) -> bool:
    """Whether what it has used beyond what is usual is that of narrower loops, for the most part."""
    narrower = {key for key in keys if _width(key) < _width(one.key)}
    mine = (row for row in hour.late.get(one.key, ()) if not narrower.isdisjoint(row.values.items()))
    return bool(narrower) and sum(row.sums.of(one.slope) for row in mine) >= one.beyond * EXPLAINED


def _is_part(one: Runaway, known: Iterable[Runaway], hour: Hour) -> bool:
    """Whether it is the most of a wider loop: that one names it as its cause."""
    for wide in known:
        both = (row.sums.of(wide.slope) for row in hour.late.get(one.key, ()) if _is_in(row, wide.scope))
        if sum(both) >= wide.beyond * EXPLAINED:
            return True
    return False


def _is_in(row: Row, scope: Scope) -> bool:
    return all(row.values.get(name, "") == value for name, value in scope.items())


def _cause(late: Iterable[Row], use: Use, slope: Slope, own: str) -> dict[str, tuple[str, float]]:
    whole = use.minutes.of(slope)
    by_value: dict[Key, int] = {}
    for row in late:
        for key in row.values.items():
            by_value[key] = by_value.get(key, 0) + row.sums.of(slope)
    most: dict[str, tuple[str, float]] = {}
    for (name, value), amount in by_value.items():
        share = amount / whole if whole else 0.0
        if name != own and share >= 0.5 and share > most.get(name, ("", 0.0))[1]:
            most[name] = value, share
    return {name: most[name] for name in NARROWEST if name in most}
