"""What a page file says of itself: what it shows where, and what can be changed there, by whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from starlette.responses import Response

from tollkeeper.sidecar.web.view import View
from tollkeeper.storage.access_keys import Scope

Answer = Callable[[View], Awaitable[Response]]


def tabbed(tabs: Mapping[str, Answer]) -> Answer:
    """A page of tabs: shows the one that the URL names in `tab`, else the first."""
    first = next(iter(tabs.values()))

    async def answer(view: View) -> Response:
        return await tabs.get(view.request.query_params.get("tab", ""), first)(view)

    return answer


class Place(NamedTuple):
    """A page in the navigation. `icon` is the name of a symbol in `static/icons.svg`."""

    path: str
    title: str
    icon: str


@dataclass(frozen=True, slots=True)
class Show:
    """A page, or a part of one, that everybody who may read can see."""

    path: str
    answer: Answer
    method: ClassVar[str] = "GET"


@dataclass(frozen=True, slots=True)
class Change:
    """A form. `scope`: what whoever sends it must be good for; forgeries are refused before `answer` is asked."""

    path: str
    answer: Answer
    scope: Scope
    method: ClassVar[str] = "POST"
