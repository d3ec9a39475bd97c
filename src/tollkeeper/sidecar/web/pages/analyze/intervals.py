"""Intervals of a range, and the file of the figures in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from tollkeeper.client.answers import Usage
from tollkeeper.client.ask import query_of
from tollkeeper.client.asks import Interval
from tollkeeper.model.calendar import NS_A_SECOND, intervals, zone_named
from tollkeeper.sidecar.web.filters import Filters


def starts(usage: Usage, interval: Interval, now: datetime) -> list[datetime]:
    """Where the intervals of a range begin, up to now, as answers have them."""
    first, last = usage.start.timestamp(), min(usage.end, max(now, usage.start)).timestamp()
    spans = intervals(int(first) * NS_A_SECOND, int(last) * NS_A_SECOND, interval, usage.zone)
    zone = zone_named(usage.zone)
    return [datetime.fromtimestamp((span.bucket or 0) // NS_A_SECOND, zone) for span in spans]


def csv(filters: Filters, group_by: Sequence[str], interval: Interval | None) -> str:
    """Where a file of the same figures is."""
    return csv_of(filters.asked(), group_by, interval)


def csv_of(asked: Mapping[str, Any], group_by: Sequence[str], interval: Interval | None) -> str:
    """Where a file is of what is asked for by these arguments of the client's `usage`."""
    query = query_of({**asked, "group_by": list(group_by), "interval": interval})
    return f"/download/usage.csv?{urlencode(query)}"
