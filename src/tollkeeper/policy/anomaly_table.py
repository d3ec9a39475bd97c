"""What is told of as unusual, as a policy says it.

[[anomaly]]
name = "too many requests"
type = "threshold"                           # or "z_score" (if it is left out), or "ratio"
metric = "requests_per_hour"
per = "user"
match = { tags = { tenant = "acme" } }
threshold = 100                              # standard deviations of "z_score" (2), times the usual of "ratio"
window = "1h"                                # "24h" if it is left out
severity = { critical = 200 }                # from which value on; below them it is a warning
cooldown = "30m"                             # one that begins again within it is still the same
floor = "$5"                                 # nothing is found where less was spent in the window
respond = { ladder = "usd-day-per-tenant", at = 80 }   # that ladder's steps, for these calls; or "emergency"

[[detection]]                                # how the built-in detectors look; later tables go before earlier ones
detector = "hourly"                          # "hourly", "daily", "runaway", or several; all if it is left out
metric = ["latency", "error_rate"]           # all if it is left out
scope = "user"                               # "total", "tenant" …; all if it is left out
enabled = true
deviations = 5                               # standard deviations that are too many
floor = "$10"                                # how much money must be at stake
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tollkeeper.model.anomaly_rule import (
    BASELINE_DAYS,
    COOLDOWN_SECONDS,
    DETECTORS,
    MONEY,
    RULE_METRICS,
    RULE_TYPES,
    Z_HOURS,
    Z_SCORE,
    AnomalyRule,
    Detection,
    Response,
    RuleType,
)
from tollkeeper.model.finding import SEVERITIES, Severity
from tollkeeper.model.ladder import Ladder
from tollkeeper.model.limit import PER, Per
from tollkeeper.policy.forms import amount_text, read_amount
from tollkeeper.policy.limit_table import HIGHEST_PERCENTAGE, per_of, said_name
from tollkeeper.policy.match_table import match_document, matched
from tollkeeper.policy.mistakes import Read, Table, choice, nearest, shown, whole

FIELDS: Final = (
    "name", "type", "metric", "match", "per", "threshold", "window", "baseline", "severity", "cooldown", "floor",
    "respond",
)  # fmt: skip
DETECTION_FIELDS: Final = ("detector", "metric", "scope", "enabled", "deviations", "floor")
SCOPES: Final = ("total", "tenant", "project", "user", "session", "service", "feature", "model", "provider")
LONGEST_WINDOW: Final = 31 * 86_400
LONGEST_OF_SESSIONS: Final = 6 * 3600
"""Whose session a call is of is in the ledger's calls only, and not in its sums: they are read one by one."""
DAY: Final = 86_400
MOST_DAYS: Final = 60
FEWEST_HOURS: Final = 8

_TAGS: Final = tuple(name for name in PER if name not in ("model", "provider"))
_LENGTH = re.compile(r"([0-9]{1,6}) ?([smhd])")
_SECONDS: Final[Mapping[str, int]] = {"d": DAY, "h": 3600, "m": 60, "s": 1}
_LARGEST = Decimal(10**9)


def anomaly_of(table: Table, ladders: Sequence[Ladder]) -> AnomalyRule | None:
    """The rule that a table says; nothing if it does not say of what."""
    table.know(FIELDS)
    kind: RuleType = table.read("type", choice(*RULE_TYPES), "z_score")
    metric = table.read("metric", choice(*RULE_METRICS))
    name = table.read("name", said_name)
    for key, expected in (("name", "a name, by which it is known"), ("metric", f"one of {', '.join(RULE_METRICS)}")):
        if key not in table:
            table.note(key, expected)
    if "threshold" not in table and kind != "z_score":
        table.note("threshold", f"from which value on it is told of, as type {kind!r} needs one")
    if "baseline" in table and kind != "ratio":
        table.note("baseline", 'nothing, as only type "ratio" compares with other days')
    reads = _amounts(metric if kind == "threshold" else None)
    threshold = table.read("threshold", reads, Z_SCORE)
    per: tuple[Per, ...] = table.read("per", per_of, ())
    rule = AnomalyRule(
        name=name or "",
        metric=metric or "spend",
        type=kind,
        threshold=threshold,
        window_seconds=table.read("window", lambda value: _window(value, kind, per), _usual_window(kind)),
        baseline_days=table.read("baseline", _days, BASELINE_DAYS),
        match=matched(table, "match"),
        per=per,
        severities=_severities(table, reads, threshold),
        cooldown_seconds=table.read("cooldown", lambda value: _seconds(value, 0, DAY), COOLDOWN_SECONDS),
        floor_nano_usd=table.read("floor", _dollars, 0),
        respond=_response(table, ladders),
    )
    _check(table, rule)
    return rule if name and metric else None


def anomaly_document(rule: AnomalyRule) -> dict[str, Any]:
    """A rule as it is written."""
    kind = rule.metric if rule.type == "threshold" else None
    written: dict[str, Any] = {"name": rule.name, "type": rule.type, "metric": rule.metric}
    written["threshold"] = _amount(rule.threshold, kind)
    written["window"] = length_text(rule.window_seconds)
    if rule.baseline_days != BASELINE_DAYS:
        written["baseline"] = f"{rule.baseline_days}d"
    if match := match_document(rule.match):
        written["match"] = match
    if rule.per:
        written["per"] = rule.per[0] if len(rule.per) == 1 else list(rule.per)
    if rule.severities:
        written["severity"] = {name: _amount(value, kind) for name, value in rule.severities.items()}
    if rule.cooldown_seconds != COOLDOWN_SECONDS:
        written["cooldown"] = length_text(rule.cooldown_seconds)
    if rule.floor_nano_usd:
        written["floor"] = amount_text("usd", rule.floor_nano_usd)
    if rule.respond is not None:
        said = rule.respond
        written["respond"] = "emergency" if said.emergency else {"ladder": said.ladder, "at": said.at}
    return written


def detection_of(table: Table) -> Detection:
    """What a table says of the built-in detectors."""
    table.know(DETECTION_FIELDS)
    return Detection(
        detectors=table.read("detector", _several(*DETECTORS), ()),
        metrics=table.read("metric", _several(*RULE_METRICS[:7]), ()),
        scopes=table.read("scope", _several(*SCOPES), ()),
        enabled=table.read("enabled", _yes_or_no, True),
        deviations=table.read("deviations", _deviations),
        floor_nano_usd=table.read("floor", _dollars),
    )


def detection_document(detection: Detection) -> dict[str, Any]:
    """The same as it is written."""
    named = {"detector": detection.detectors, "metric": detection.metrics, "scope": detection.scopes}
    written: dict[str, Any] = {
        key: values[0] if len(values) == 1 else list(values) for key, values in named.items() if values
    }
    if not detection.enabled:
        written["enabled"] = False
    if detection.deviations is not None:
        written["deviations"] = _amount(detection.deviations, None)
    if detection.floor_nano_usd is not None:
        written["floor"] = amount_text("usd", detection.floor_nano_usd)
    return written


def length_text(seconds: int) -> str:
    """A length of time in its largest whole unit: `90m`, `24h`, `7d`."""
    for unit, length in _SECONDS.items():
        if not seconds % length and (unit != "d" or seconds > DAY):
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def threshold_text(rule: AnomalyRule) -> str:
    """When a rule holds, to read: `spend of 1h above $50`."""
    window = length_text(rule.window_seconds)
    if rule.type == "threshold":
        amount = f"${rule.threshold:f}" if rule.metric in MONEY else f"{rule.threshold:f}"
        return f"{rule.metric} of {window} above {amount}"
    if rule.type == "ratio":
        return f"{rule.metric} of {window} above {rule.threshold:f} times that of {rule.baseline_days} days before"
    return f"{rule.metric} of an hour {rule.threshold:f} standard deviations above the mean of {window}"


def _check(table: Table, rule: AnomalyRule) -> None:
    """What single fields do not tell."""
    for tag in sorted(set(rule.match.tags) - set(_TAGS)):
        table.note("match", f"no tag {tag!r}, as the ledger's sums tell calls apart by {', '.join(_TAGS)} only")
    if "session" in rule.match.tags and "session" not in rule.per:
        table.note("match", "a session only where `per` names it")
    by_model = "model" in rule.per or bool(rule.match.model)
    if rule.respond is not None and rule.respond.ladder is not None and by_model:
        table.note("respond", '"emergency", as the ledger has the model that answered, and a call asks before')
    if rule.type != "threshold" and "session" in rule.per:
        table.note("type", '"threshold", as sessions have no days before to compare with')


def _severities(table: Table, reads: Read[Decimal], threshold: Decimal) -> dict[Severity, Decimal]:
    rows = table.table("severity", "a table such as { critical = 200 }")
    rows.know(SEVERITIES, "severity")
    said = {name: value for name in SEVERITIES if (value := rows.read(name, reads)) is not None}
    before = threshold
    for name, value in said.items():
        if value < before:
            rows.note(name, f"no less than {before:f}, as the milder ones begin there")
        before = max(before, value)
    return said


def _response(table: Table, ladders: Sequence[Ladder]) -> Response | None:
    said = table.content.get("respond")
    if said is None:
        return None
    if said == "emergency":
        return Response(emergency=True)
    if not isinstance(said, dict):
        table.note("respond", '"emergency", or steps of a ladder, such as { ladder = "usd-day", at = 80 }')
        return None
    row = table.table("respond", "")
    row.know(("ladder", "at"))
    by_name = {ladder.limit: ladder for ladder in ladders}
    name = row.read("ladder", choice(*by_name)) if by_name else None
    if name is None:
        if "ladder" not in row or not by_name:
            row.note("ladder", f"the limit of a ladder; {nearest('', by_name)}")
        return None
    at = row.read("at", lambda value: whole(value, 1, HIGHEST_PERCENTAGE, "a whole percentage"), HIGHEST_PERCENTAGE)
    steps = [step for step in by_name[name].steps if step.do not in ("alert", "emergency")]
    if not any(step.at <= at for step in steps):
        row.note("at", f"a percentage from which on ladder {name!r} does something to calls")
    return Response(ladder=name, at=at)


def _usual_window(kind: str) -> int:
    return Z_HOURS * 3600 if kind == "z_score" else 3600


def _window(value: Any, kind: str, per: tuple[Per, ...]) -> int:
    if kind == "z_score":
        seconds = _seconds(value, FEWEST_HOURS * 3600, LONGEST_WINDOW)
        if seconds % 3600:
            raise ValueError('whole hours, such as "24h", as a z-score compares hours')
        return seconds
    longest = LONGEST_OF_SESSIONS if "session" in per else DAY if kind == "ratio" else LONGEST_WINDOW
    return _seconds(value, 60, longest)


def _days(value: Any) -> int:
    return _seconds(value, 3 * DAY, MOST_DAYS * DAY) // DAY


def _seconds(value: Any, least: int, most: int) -> int:
    found = _LENGTH.fullmatch(value) if isinstance(value, str) else None
    seconds = int(found[1]) * _SECONDS[found[2]] if found else -1
    if not least <= seconds <= most:
        raise ValueError(f'a time from {length_text(least)} to {length_text(most)}, such as "1h"')
    return seconds


def _amounts(metric: str | None) -> Read[Decimal]:
    """Reads a number above zero; of money, dollars."""

    def read(value: Any) -> Decimal:
        if isinstance(value, str) and metric in MONEY:
            return Decimal(read_amount(value, "usd")) / 10**9
        number = Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None
        is_known = number is not None and number.is_finite() and 0 < number <= _LARGEST
        if number is None or not is_known or number != round(number, 6):
            dollars = ', or dollars such as "$50"' if metric in MONEY else ""
            raise ValueError(f"a number above zero, exact to a millionth, such as 2.5{dollars}")
        return number.normalize() + 0

    return read


def _amount(value: Decimal, metric: str | None) -> Any:
    if metric in MONEY:
        nano = value * 10**9
        if nano == nano.to_integral_value():
            return amount_text("usd", int(nano))
    return int(value) if value == value.to_integral_value() else float(value)


def _dollars(value: Any) -> int:
    return read_amount(value, "usd")


def _deviations(value: Any) -> Decimal:
    number = _amounts(None)(value)
    if not 1 <= number <= 100:
        raise ValueError(f"from 1 to 100 standard deviations, and not {shown(number)}")
    return number


def _yes_or_no(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _several(*choices: Any) -> Read[tuple[Any, ...]]:
    def read(value: Any) -> tuple[Any, ...]:
        said = [choice(*choices)(one) for one in (value if isinstance(value, list) else [value])]
        return tuple(one for one in choices if one in said)

    return read
