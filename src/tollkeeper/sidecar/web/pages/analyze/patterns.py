"""How spend is spread over calls, when they are made, and what was paid for in vain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from starlette.responses import Response

from tollkeeper.client.observing import SpentOn, Wasted
from tollkeeper.sidecar.web.pages.analyze.heat_map import WEEKDAYS
from tollkeeper.sidecar.web.pages.analyze.tabs import PATH, TABS, Choice, one_of
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import View

Window = Literal["7d", "30d"]

WINDOWS: Mapping[Window, str] = {"7d": "7 days", "30d": "30 days"}
SHOWN = 8
"""Of sessions, users and the like."""


class InVain(NamedTuple):
    """Calls that cost more than they gave, and why that may be so."""

    words: str
    about: str
    spent: SpentOn


async def patterns(view: View) -> Response:
    """The page. It is of all calls, whatever is filtered elsewhere."""
    window = one_of(get_args(Window), view.filters.others.get("window"), "7d")
    parts = await view.together(found=view.api.patterns(window=window, zone=view.filters.zone_name, top=SHOWN))
    found = parts["found"]
    return view.page(
        "analyze_patterns.html", title="Patterns of spend", tabs=TABS, tab="breakdown", found=found,
        window_words=WINDOWS[window], weekdays=WEEKDAYS, vain=in_vain(found.wasted) if found else [], shown=SHOWN,
        choices=[Choice("window", "Over the last", list(WINDOWS.items()), window)],
    )  # fmt: skip


def in_vain(wasted: Wasted | None) -> list[InVain]:
    """Every kind of it that there was."""
    if wasted is None:
        return []
    found = [
        InVain("Retries", "Attempts beyond the first, that were reported as calls of their own.", wasted.retries),
        InVain("Failed, and billed", "Streams that broke off, for instance.", wasted.billed_failures),
        InVain("Cut answers", "They ended at the limit of output, not where they were done.", wasted.truncated),
        InVain(
            "Much in, very little out", "32,000 tokens of input or more, for less than a hundredth of that.",
            wasted.tiny_output,
        ),
        InVain("Long context", "Input so long that a dearer price held: what that was dearer.",
               wasted.long_context_surcharge),
    ]  # fmt: skip
    return [each for each in found if each.spent.calls]


ROUTES = (Show(f"{PATH}/patterns", patterns),)
