"""The kinds of reports there are, and the making of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tollkeeper.sidecar.reports import anomalies, budgets, daily, optimisation, performance, statement
from tollkeeper.sidecar.reports.document import Report, Section
from tollkeeper.sidecar.reports.material import Asked, Material, Sources


class Kind(NamedTuple):
    """One kind. `has_charges`: what it is about can be had as FOCUS charges too.

    `title_of_all` is its title where no tenant is asked for, if that is another one.
    """

    name: str
    title: str
    meaning: str
    sections: Callable[[Material], Sequence[Section]]
    has_charges: bool = False
    title_of_all: str = ""


REPORTS: tuple[Kind, ...] = (
    Kind("daily", "Cost summary", "What each day cost, and who and what it went to.", daily.sections, True),
    Kind("performance", "Provider performance", "Who answers, how fast, and for how much.", performance.sections),
    Kind("budgets", "Budget analysis", "How limits stand, and how their periods have ended.", budgets.sections),
    Kind("anomalies", "Anomalies", "What was unusual, what it has cost, and why.", anomalies.sections),
    Kind("optimisation", "Optimisation", "What would be cheaper, and how to do it.", optimisation.sections),
    Kind(
        "statement",
        "Statement",
        "What a tenant is charged; without one, the chargeback to all.",
        statement.sections,
        True,
        "Chargeback",
    ),
)


def kind_named(name: str) -> Kind | None:
    """The one of a name."""
    return next((kind for kind in REPORTS if kind.name == name), None)


def made(kind: Kind, sources: Sources, asked: Asked) -> Report:
    """A report. Raises `LedgerUnavailable`."""
    material = Material(sources, asked)
    return Report(
        kind.name,
        kind.title if "tenant" in asked.filters else kind.title_of_all or kind.title,
        asked.about,
        asked.shown(asked.start),
        asked.shown(asked.end),
        asked.zone,
        asked.shown(asked.now),
        kind.sections(material),
    )
