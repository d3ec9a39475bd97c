"""The log of calls as they come in: what each one used, what it cost, and how that comes about. Never prompts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from starlette.responses import Response

from tollkeeper.client import NotFound
from tollkeeper.client.answers import Attempt, CallRow, CallsPage, Day, Sums, Usage
from tollkeeper.client.ask import query_of
from tollkeeper.client.asks import Outcome
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import Missing, View

PATH = "/requests"
TABS = (("calls", "Calls"), ("orphans", "Never reported"))
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Order = Literal["newest", "dearest"]
HOURLY_UP_TO = 2
"""Days of a range whose bars are hours."""
MOST_BARS = 92
MOST_ORPHANS = 200
MOST_IN_A_FILE = 1000
MOST_FOUND = 100
LONGEST_ID = 500
TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page's own part of the URL says. `hour` narrows the range to one hour; `id` is what to look for."""

    outcome: Outcome | None = None
    order: Order = "newest"
    cursor: str | None = None
    hour: datetime | None = None
    id: str = ""

    def query(self, view: View) -> dict[str, Any]:
        """As arguments of the client's `calls`."""
        return {**within(view, self.hour), "outcome": self.outcome, "order": self.order, "cursor": self.cursor}


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the histogram. `link` narrows the page to it."""

    words: str
    calls: int
    failed: int
    link: str


@dataclass(frozen=True, slots=True)
class Span:
    """An attempt in the waterfall: shares of the whole time. `first_chunk` is where its answer began."""

    attempt: Attempt
    start: float
    width: float
    first_chunk: float | None


async def requests(view: View) -> Response:
    """The log, or another tab."""
    if view.request.query_params.get("tab") == "orphans":
        found = await view.together(orphans=view.api.orphans(limit=MOST_ORPHANS))
        return view.page("orphans.html", title="Requests", tabs=TABS, **found)
    asked = asked_of(view)
    return await (_looked_for(view, asked) if asked.id else _log(view, asked))


async def news(view: View) -> Response:
    """How many calls have come in since the page was shown."""
    asked = asked_of(view)
    seen = number_in(view.request.query_params.get("seen"))
    usage = await view.api.usage(**within(view, asked.hour), details=False)
    new = 0 if seen is None else max(0, (_matching(usage, asked.outcome) or 0) - seen)
    return view.page("parts/news.html", new=new)


async def request(view: View) -> Response:
    """One call: beside the log, or as a page."""
    call = await view.api.call(view.request.path_params["id"])
    template = "parts/call_drawer.html" if view.is_part else "request.html"
    return view.page(template, title="Request", call=call, waterfall=waterfall(call.attempts))


def asked_of(view: View) -> Asked:
    """What of the URL makes sense."""
    query = view.request.query_params
    outcome = next((each for each in OUTCOMES if each == query.get("outcome")), None)
    order: Order = "dearest" if query.get("order") == "dearest" else "newest"
    id = query.get("id", "").strip()[:LONGEST_ID]
    return Asked(outcome, order, query.get("cursor") or None, _hour(query.get("hour", "")), id)


def within(view: View, hour: datetime | None) -> dict[str, Any]:
    """The bar's calls; of that hour only, where one is chosen."""
    asked = view.filters.asked()
    return asked if hour is None else {**asked, "start": hour, "end": hour + timedelta(hours=1)}


def waterfall(attempts: Sequence[Attempt]) -> list[Span]:
    """Attempts in the order in which they began, beside each other in time; nothing, where no duration is known."""
    timed = sorted((each for each in attempts if each.duration_ms is not None), key=lambda each: each.started_at)
    if not timed:
        return []
    begins = timed[0].started_at
    offsets = [(each.started_at - begins) / timedelta(milliseconds=1) for each in timed]
    whole = max(offset + (each.duration_ms or 0) for offset, each in zip(offsets, timed, strict=True)) or 1.0
    return [
        Span(each, offset / whole, (each.duration_ms or 0) / whole, _first_chunk(each, offset, whole))
        for offset, each in zip(offsets, timed, strict=True)
    ]


async def _log(view: View, asked: Asked) -> Response:
    is_hourly = asked.hour is None and view.filters.period.days <= HOURLY_UP_TO
    parts = await view.together(
        found=view.api.calls(**asked.query(view)),
        usage=view.api.usage(**within(view, asked.hour), interval="hour" if is_hourly else None),
    )
    usage = parts["usage"]
    bars = () if isinstance(usage, Missing) else _hours(view, usage) if is_hourly else _days(view, usage)
    return view.page(
        "requests.html", title="Requests", tabs=TABS, live=asked.cursor is None, asked=asked, csv=_csv(view, asked),
        bars=() if asked.hour else bars, matching=_matching(usage, asked.outcome), outcomes=_outcomes(usage), **parts,
    )  # fmt: skip


async def _looked_for(view: View, asked: Asked) -> Response:
    """What an id is of: a call, whenever it was; else the calls of a trace or of an answer, in the range."""
    try:
        rows: Sequence[CallRow] = (await view.api.call(asked.id)).attempts
    except NotFound:
        # No index has the ids of answers, so they are not looked for in vain.
        which = {"trace_id" if TRACE_ID.fullmatch(asked.id) else "response_id": asked.id}
        rows = (await view.api.calls(limit=MOST_FOUND, **{**view.filters.asked(), **which})).calls
    page = CallsPage(calls=list(rows), next_cursor=None)
    return view.page("requests.html", title="Requests", tabs=TABS, live=False, asked=asked, found=page)


def _hour(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    is_known = found.tzinfo is not None and 1971 <= found.year <= 2199
    return found.astimezone(UTC).replace(minute=0, second=0, microsecond=0) if is_known else None


def _matching(usage: Usage | Missing, outcome: Outcome | None) -> int | None:
    """How many calls there are of an outcome, or of any."""
    return None if isinstance(usage, Missing) else _outcomes(usage)[outcome]


def _outcomes(usage: Usage | Missing) -> dict[Outcome | None, int]:
    if isinstance(usage, Missing):
        return {}
    return {
        None: usage.total_calls, "succeeded": usage.total_calls - usage.failed_calls, "failed": usage.failed_calls,
        "unpriced": usage.unpriced_calls, "unmeasured": usage.unmeasured_calls,
    }  # fmt: skip


def _csv(view: View, asked: Asked) -> str:
    query = query_of({**asked.query(view), "limit": MOST_IN_A_FILE})
    return f"/download/calls.csv?{urlencode(query)}"


def _hours(view: View, usage: Usage) -> list[Bar]:
    counted: dict[datetime, Sums] = {group.start.astimezone(UTC): group for group in usage.groups if group.start}
    start, end = usage.start.astimezone(UTC), min(usage.end.astimezone(UTC), view.now)
    bars = []
    while start < end:
        sums = counted.get(start)
        link = view.filters.link(PATH, hour=start.isoformat(), cursor=None)
        bars.append(Bar(view.formats.minute(start), sums.calls if sums else 0, sums.failed_calls if sums else 0, link))
        start += timedelta(hours=1)
    return bars


def _days(view: View, usage: Usage) -> list[Bar]:
    """A bar a day; of long ranges, of as many days as are needed to have no more bars than can be told apart."""
    size = -(-len(usage.by_day) // MOST_BARS) or 1
    return [_of_days(view, usage.by_day[at : at + size]) for at in range(0, len(usage.by_day), size)]


def _of_days(view: View, days: Sequence[Day]) -> Bar:
    first, last = days[0].date, days[-1].date
    words = view.formats.day(first) if first == last else f"{view.formats.day(first)} to {view.formats.day(last)}"
    link = view.filters.link(PATH, range="custom", start=f"{first}", end=f"{last}", cursor=None)
    return Bar(words, sum(day.calls for day in days), sum(day.failed_calls for day in days), link)


def _first_chunk(attempt: Attempt, offset: float, whole: float) -> float | None:
    first = attempt.time_to_first_chunk_ms
    return None if first is None else (offset + first) / whole


ROUTES = (
    Show(PATH, requests),
    Show(f"{PATH}/news", news),
    Show(PATH + "/{id:path}", request),
)
