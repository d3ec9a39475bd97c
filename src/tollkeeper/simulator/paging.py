"""Buckets of time and their pages, as the providers' admin APIs have them alike."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tollkeeper.simulator.bill import DAY, HOUR, Charge, bill
from tollkeeper.simulator.exchange import Refused, Request
from tollkeeper.simulator.world import World

MINUTE = 60
WIDTHS = {"1m": MINUTE, "1h": HOUR, "1d": DAY}
Limits = Mapping[str, tuple[int, int]]
"""By bucket width: the default, and the most."""


class Page(NamedTuple):
    """Buckets by their start, in seconds since the epoch, and where the next page begins."""

    buckets: Mapping[int, list[Charge]]
    width: int
    next_page: str | None


def values(request: Request, name: str) -> list[str]:
    """All values of a parameter, written once or several times, with `[]` behind it or without."""
    said = [value for key, value in request.pairs if key in (name, f"{name}[]")]
    return [part for value in said for part in value.split(",") if part]


def page(
    request: Request, world: World, start: int, end: int | None, limits: Limits, wanted: Callable[[Charge], bool]
) -> Page:
    """The buckets that were asked for, empty ones too, as many as the limit says."""
    name = request.query.get("bucket_width", "1d")
    if name not in limits:
        raise Refused(400, f"bucket_width: {name!r} is not one of {', '.join(limits)}", param="bucket_width")
    width, (default, most) = WIDTHS[name], limits[name]
    limit = _limit(request, default, most)
    first = start // width * width
    if "page" in request.query:
        first = _cursor(request.query["page"])
    now = world.now()
    # The bucket that is under way is told, too.
    last = min(now + 1 if end is None else end, now + 1)
    starts = list(range(first, last, width))
    shown, rest = starts[:limit], starts[limit:]
    buckets: dict[int, list[Charge]] = {moment: [] for moment in shown}
    for charge in bill(world.meter.uses(), request.knobs, now, width):
        if charge.start in buckets and wanted(charge):
            buckets[charge.start].append(charge)
    return Page(buckets, width, _page_name(rest[0]) if rest else None)


def _limit(request: Request, default: int, most: int) -> int:
    said = request.query.get("limit")
    if said is None:
        return default
    if not said.isdecimal() or not 1 <= int(said) <= most:
        raise Refused(400, f"limit: expected a number from 1 to {most}", param="limit")
    return int(said)


def _page_name(start: int) -> str:
    return "page_" + base64.urlsafe_b64encode(str(start).encode()).decode()


def _cursor(name: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(name.removeprefix("page_")))
    except ValueError:
        raise Refused(400, "page: not a cursor of this list", param="page") from None
