"""The questions about usage and calls. Each function here is a method of both clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack
from urllib.parse import quote

from tollkeeper.client.answers import Alive, CallDetail, CallsPage, Orphans, Overview, Stats, Status, Usage
from tollkeeper.client.ask import Ask, query_of, reader
from tollkeeper.client.keywords import Dimension, Selection, spelled_out

Interval = Literal["hour", "day", "week", "month"]
Outcome = Literal["succeeded", "failed", "unpriced", "unmeasured"]


def status() -> Ask[Status]:
    """Which providers are in use, and how to begin with the others."""
    return Ask("GET", "/status", reader(Status))


def stats(*, days: int | None = None, zone: str | None = None) -> Ask[Stats]:
    """All requests ever, the last hour, and the cost of each of the last `days` days."""
    return Ask("GET", "/stats", reader(Stats), query_of({"days": days, "zone": zone}))


@spelled_out
def usage(
    *,
    group_by: Dimension | Sequence[Dimension] = (),
    interval: Interval | None = None,
    details: bool | None = None,
    **selection: Unpack[Selection],
) -> Ask[Usage]:
    """Calls, tokens and cost of a range (the last 30 days, if none is given), by model, day, and groups of choice.

    With `details=False` not by model and day: that is several times as quick.
    """
    asked = {"group_by": group_by, "interval": interval, "details": details}
    return Ask("GET", "/usage", reader(Usage), query_of({**asked, **selection}))


@spelled_out
def calls(
    *,
    outcome: Outcome | None = None,
    order: Literal["newest", "dearest"] | None = None,
    trace_id: str | None = None,
    response_id: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    **selection: Unpack[Selection],
) -> Ask[CallsPage]:
    """A page of the log of calls, newest or dearest first; `cursor` is the `next_cursor` of the page before.

    Of a trace, or of an answer of a provider: those of the range, which is the last 30 days if none is given.
    """
    which = {"outcome": outcome, "trace_id": trace_id, "response_id": response_id}
    page = {"order": order, "cursor": cursor, "limit": limit}
    return Ask("GET", "/calls", reader(CallsPage), query_of({**which, **page, **selection}))


def call(id: str) -> Ask[CallDetail]:
    """Everything about one call: its attempts, and how the cost of each comes about."""
    return Ask("GET", f"/calls/{quote(id, safe='')}", reader(CallDetail))


def orphans(*, limit: int | None = None) -> Ask[Orphans]:
    """Calls that were begun and never reported."""
    return Ask("GET", "/orphans", reader(Orphans), query_of({"limit": limit}))


def overview() -> Ask[Overview]:
    """How the sidecar is."""
    return Ask("GET", "/overview", reader(Overview))


def health() -> Ask[Alive]:
    """Whether the sidecar answers. Needs no key."""
    return Ask("GET", "/health", reader(Alive))
