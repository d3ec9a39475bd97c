"""Scheduled reports, as the file of channels says them.

[reports.acme]
report = "statement"
every = "month"                      # of the month that is over, on the first of the next
at = "08:00"
zone = "Europe/Berlin"
format = "pdf"
only = { tenant = "acme" }
to = ["finance", "/srv/reports"]     # a channel of this file or the API; a folder
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from tollkeeper.alerting.channel import ChannelError
from tollkeeper.model.calendar import NS_A_SECOND, interval_at, zone_named
from tollkeeper.model.limit import PER
from tollkeeper.policy.mistakes import Mistakes, PolicyError, Table, choice
from tollkeeper.policy.toml_lines import lines_of

ReportKind = Literal["daily", "performance", "budgets", "anomalies", "optimisation", "statement"]
REPORT_KINDS: Final[tuple[ReportKind, ...]] = get_args(ReportKind)
OF_CHARGES: Final[tuple[ReportKind, ...]] = ("daily", "statement")
"""Those that can be had as FOCUS."""
ReportFormat = Literal["pdf", "html", "csv", "json", "focus"]
REPORT_FORMATS: Final[tuple[ReportFormat, ...]] = get_args(ReportFormat)
Every = Literal["day", "week", "month"]
EVERY: Final[tuple[Every, ...]] = get_args(Every)

FILTERS: Final = tuple(name for name in PER if name != "session")
LATE: Final = 3 * 86_400 * NS_A_SECOND
"""For so long after its time a report is still made by a sidecar that was not running then."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_FOLDER = re.compile(r"/[^/\s][^\n]*")

OPTIONS: Final[Mapping[str, str]] = {
    "report": "Which: `daily`, `performance`, `budgets`, `anomalies`, `optimisation` or `statement`.",
    "every": "`day`, `week` (from Monday on) or `month`: that which is over.",
    "at": "When on the first day after it; `08:00`, if nothing is said.",
    "zone": "The time zone (IANA) whose days are meant; `UTC`.",
    "format": "`pdf`, `html`, `csv`, `json` or `focus`; `pdf`.",
    "only": "Of whom: a value, or a list, by `tenant`, `project`, `model` and so on; all.",
    "to": "Channels, by their names, and folders, `/srv/reports`: one, or a list.",
}
"""Each field of a scheduled report, and what it means."""


@dataclass(frozen=True, slots=True)
class ReportSchedule:
    """A report that is made by the clock. `at` is minutes after midnight; `to` are channels, and folders: `/…`."""

    name: str
    report: ReportKind
    every: Every
    to: tuple[str, ...]
    at: int = 8 * 60
    zone: str = "UTC"
    format: ReportFormat = "pdf"
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def due(self, now: int) -> tuple[int, int] | None:
        """The period that a report is due of at a moment, in nanoseconds; `None` where none is."""
        begins, _ = interval_at(now, self.every, self.zone)
        for end in (begins, interval_at(begins - 1, self.every, self.zone)[0]):
            if self._moment(end) <= now < self._moment(end) + LATE:
                return interval_at(end - 1, self.every, self.zone)[0], end
        return None

    def next_due(self, now: int) -> int:
        """When it is due next, in nanoseconds."""
        begins, ends = interval_at(now, self.every, self.zone)
        moments = (self._moment(begins), self._moment(ends))
        return next((each for each in moments if each > now), moments[-1])

    def _moment(self, end: int) -> int:
        """When it is due of what ended then: by the clock of its zone, also on a day on which that is changed."""
        shown = datetime.fromtimestamp(end // NS_A_SECOND, zone_named(self.zone))
        due = datetime(shown.year, shown.month, shown.day, *divmod(self.at, 60), tzinfo=shown.tzinfo)
        since = due.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * NS_A_SECOND


def read_report_schedules(document: bytes, name: str) -> tuple[ReportSchedule, ...]:
    """The scheduled reports of a TOML file of this name. Raises `ChannelError`; its mistakes have lines."""
    try:
        text = document.decode("utf-8-sig")
        tables, lines = tomllib.loads(text), lines_of(text)
    except (ValueError, RecursionError) as error:
        raise ChannelError(f"{name}: not valid TOML: {error}") from None
    mistakes = Mistakes(name, lines)
    top = Table(tables, (), mistakes).table("reports", "tables, each headed [reports.NAME]")
    made = [_schedule(top.table(key, f"a table, headed [reports.{key}]"), key) for key in top.content]
    try:
        mistakes.finish()
    except PolicyError as found:
        raise ChannelError(str(found)) from None
    return tuple(made)


def schedule_of(table: Mapping[str, Any], name: str) -> ReportSchedule:
    """The schedule that a JSON object says. Raises `ChannelError`."""
    mistakes = Mistakes(f"report {name!r}", {})
    schedule = _schedule(Table(table, (), mistakes), name)
    try:
        mistakes.finish()
    except PolicyError as found:
        raise ChannelError(str(found)) from None
    return schedule


def document_of(schedule: ReportSchedule) -> dict[str, Any]:
    """A schedule as `schedule_of` reads it."""
    return {
        "report": schedule.report,
        "every": schedule.every,
        "at": "{:02}:{:02}".format(*divmod(schedule.at, 60)),
        "zone": schedule.zone,
        "format": schedule.format,
        "only": {name: list(values) for name, values in schedule.only.items()},
        "to": list(schedule.to),
    }


def _schedule(table: Table, name: str) -> ReportSchedule:
    if not _NAME.fullmatch(name):
        expected = "a name of up to 64 letters, digits, '-', '_' and '.', that begins with a letter or a digit"
        table.mistakes.note(table.place, name, expected)
    table.know(tuple(OPTIONS))
    for needed, such_as in (("report", "a kind of report"), ("every", "day, week or month"), ("to", _TO)):
        if needed not in table:
            table.note(needed, such_as)
    default: ReportKind = "daily"
    kind = table.read("report", choice(*REPORT_KINDS), default)
    as_said: ReportFormat = "pdf"
    format = table.read("format", choice(*REPORT_FORMATS), as_said)
    if format == "focus" and kind not in OF_CHARGES:
        table.note("format", f"another one: only {' and '.join(OF_CHARGES)} can be had as charges")
    only = table.table("only", 'a table such as { tenant = "acme" }')
    only.know(FILTERS, "selector")
    return ReportSchedule(
        name=name,
        report=kind,
        every=table.read("every", choice(*EVERY), "day"),
        to=table.read("to", _targets, ()),
        at=table.read("at", _time, 8 * 60),
        zone=table.read("zone", _zone, "UTC"),
        format=format,
        only={key: values for key in only.content if key in FILTERS and (values := only.read(key, _values))},
    )


_TO: Final = 'a channel\'s name, a folder such as "/srv/reports", or a list of them'


def _targets(value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list) else [value]
    if found and all(isinstance(one, str) and (_NAME.fullmatch(one) or _FOLDER.fullmatch(one)) for one in found):
        return tuple(dict.fromkeys(found))
    raise ValueError(_TO)


def _time(value: Any) -> int:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('a time of day such as "08:00"')
    return int(found[1]) * 60 + int(found[2])


def _zone(value: Any) -> str:
    try:
        zone_named(str(value))
    except ValueError:
        raise ValueError("a time zone such as Europe/Berlin") from None
    return str(value)


def _values(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if values and all(isinstance(one, str) and one.isprintable() for one in values):
        return tuple(values)
    raise ValueError('a text such as "acme", or a list of them')
