"""The kinds of reports there are, and the making of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tollkeeper.sidecar.reports import daily
from tollkeeper.sidecar.reports.document import Report, Section
from tollkeeper.sidecar.reports.material import Asked, Material, Sources


class Kind(NamedTuple):
    """One kind. `has_charges`: what it is about can be had as FOCUS charges too."""

    name: str
    title: str
    meaning: str
    sections: Callable[[Material], Sequence[Section]]
    has_charges: bool = False


REPORTS: tuple[Kind, ...] = (
    Kind("daily", "Daily cost summary", "What each day cost, and who and what it went to.", daily.sections, True),
)


def kind_named(name: str) -> Kind | None:
    """The one of a name."""
    return next((kind for kind in REPORTS if kind.name == name), None)


def made(kind: Kind, sources: Sources, asked: Asked) -> Report:
    """A report. Raises `LedgerUnavailable`."""
    material = Material(sources, asked)
    return Report(
        kind.name,
        kind.title,
        asked.about,
        asked.shown(asked.start),
        asked.shown(asked.end),
        asked.zone,
        asked.shown(asked.now),
        kind.sections(material),
    )
