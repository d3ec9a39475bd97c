"""What was said about a price, and what follows from all that was said: which version holds when."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args

Kind = Literal["price", "alias", "discount"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class PriceVersion(NamedTuple):
    """One statement: what holds for a row of the book from one moment to another (not included).

    `content` is as in a price file, its moments left out. `row` is the id of the row's first version. `recorded_at`
    is when we came to know it, `replaces` the version that held at its start before. Moments are nanoseconds.
    """

    id: int
    row: int
    kind: Kind
    content: Mapping[str, Any]
    withdrawn: bool
    valid_from: int
    valid_to: int | None
    recorded_at: int
    author: str
    reason: str
    source: str
    replaces: int | None
    hash: str = ""

    @property
    def name(self) -> str:
        """How a cost tells which version priced it."""
        return f"{self.kind} {self.id}"

    def hashed(self) -> PriceVersion:
        """With the hash of all the rest."""
        text = json.dumps(self._replace(hash=""), sort_keys=True)
        return self._replace(hash=hashlib.sha256(text.encode()).hexdigest())

    def document(self) -> dict[str, Any]:
        """As the audit trail keeps it."""
        return {**self._asdict(), "content": dict(self.content)}


class Span(NamedTuple):
    """A time in which one version of a row holds, as far as later ones leave it."""

    version: PriceVersion
    valid_from: int
    valid_to: int | None

    def holds(self, at: int) -> bool:
        """Whether the moment is in it."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


def spans(versions: Iterable[PriceVersion]) -> list[Span]:
    """Which version of one row holds when, ascending. `versions` are in the order in which they were recorded."""
    held: list[Span] = []
    for version in versions:
        held = [left for span in held for left in _without(span, version)]
        if not version.withdrawn:
            held.append(Span(version, version.valid_from, version.valid_to))
    return sorted(held, key=lambda span: span.valid_from)


def at_moment(held: Iterable[Span], at: int) -> Span | None:
    """What holds then, if anything."""
    return next((span for span in held if span.holds(at)), None)


def overlap(start: int, end: int | None, other: Span) -> bool:
    """Whether two times have a moment in common."""
    return (other.valid_to is None or start < other.valid_to) and (end is None or other.valid_from < end)


def _without(span: Span, version: PriceVersion) -> Iterator[Span]:
    """What a later version leaves of a time."""
    if not overlap(version.valid_from, version.valid_to, span):
        yield span
        return
    if span.valid_from < version.valid_from:
        yield span._replace(valid_to=version.valid_from)
    if version.valid_to is not None and (span.valid_to is None or version.valid_to < span.valid_to):
        yield span._replace(valid_from=version.valid_to)
