"""What somebody wants to say about a price, read and checked before it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from tollkeeper.pricing.overlay import Alias, Discount, PriceRow
from tollkeeper.pricing.price_file import Reader, alias_document, dated, discount_document, price_document
from tollkeeper.pricing.rows import PER_MILLION, PER_UNIT, Match
from tollkeeper.storage.prices.versions import KINDS, Kind, PriceVersion, Span

PRICES = frozenset((*PER_MILLION, *PER_UNIT))
LONGEST_REASON = 2000
LONGEST_NAME = 255

Fields = Mapping[str, Any]
"""A row as in a price file: names, amounts as texts or Decimals; `valid_from` and `valid_to` as dates or ISO texts."""


class Statement(NamedTuple):
    """What a row of the book is to say, as it is kept: amounts in their shortest form, names as they were given."""

    kind: Kind
    content: dict[str, Any]
    valid_from: int | None
    valid_to: int | None

    @property
    def target(self) -> tuple[Any, ...]:
        """What the row is about. Two rows that are in force must not be about the same."""
        return target_of(self.kind, self.content)


class Signature(NamedTuple):
    """Who says it, why, and where it was found."""

    author: str
    reason: str
    source: str = ""

    def check(self, reader: Reader) -> None:
        """Note what is missing, or cannot be kept."""
        for key, value, longest in (
            ("author", self.author, LONGEST_NAME), ("reason", self.reason, LONGEST_REASON),
            ("source", self.source or "-", LONGEST_REASON),
        ):  # fmt: skip
            if not isinstance(value, str) or not value.strip():
                reader.mistake("", key, value or None, "a text that is not empty")
            elif not _kept(value, longest):
                reader.mistake("", key, value, f"a text of at most {longest} characters that can be printed")


def read(reader: Reader, kind: str, fields: Fields) -> Statement | None:
    """A statement; `None` where the reader has noted mistakes."""
    if kind not in KINDS:
        reader.mistake("", "kind", kind, " or ".join(KINDS))
        return None
    before = len(reader.mistakes)
    for key, value in fields.items():
        if isinstance(value, str) and key not in PRICES and not _kept(value, LONGEST_NAME):
            reader.mistake(kind, key, value, f"a text of at most {LONGEST_NAME} characters that can be printed")
    if "version" in fields:
        reader.mistake(kind, "version", fields["version"], "none: the book gives a version to each change")
    row = row_of(reader, kind, dated(fields))
    if len(reader.mistakes) > before:
        return None
    return Statement(kind, _content(row), row.match.valid_from, row.match.valid_to)


def row_of(reader: Reader, kind: Kind, fields: Fields) -> PriceRow | Alias | Discount:
    """The row that a catalogue understands."""
    if kind == "price":
        return reader.price(fields, kind)
    return reader.alias(fields, kind) if kind == "alias" else reader.discount(fields, kind)


def in_force(reader: Reader, span: Span) -> PriceRow | Alias | Discount:
    """The row of a time in which a version holds; its version is the one that a cost names."""
    version = span.version
    row = row_of(reader, version.kind, version.content)
    match = Match(row.match.provider, row.match.model, span.valid_from, span.valid_to)
    return replace(row, match=match, version=version.name)


def changed(version: PriceVersion, fields: Fields) -> dict[str, Any]:
    """A row's content with some fields set to something else; `None` takes one away."""
    content = dict(version.content)
    if fields.get("free") is True:
        content = {key: value for key, value in content.items() if key not in PRICES}
    elif PRICES & {key for key, value in fields.items() if value is not None}:
        content.pop("free", None)
    return {key: value for key, value in {**content, **fields}.items() if value is not None}


def target_of(kind: Kind, content: Mapping[str, Any]) -> tuple[Any, ...]:
    """Kind, provider, model, tenant and context."""
    context = tuple(sorted(content.get("context", {}).items()))
    return kind, content["provider"].lower(), content["model"].lower(), content.get("tenant"), context


def _content(row: PriceRow | Alias | Discount) -> dict[str, Any]:
    row = replace(row, match=Match(row.match.provider, row.match.model), version=None)
    match row:
        case PriceRow():
            return price_document(row)
        case Alias():
            return alias_document(row)
        case Discount():
            return discount_document(row)


def _kept(text: str, longest: int) -> bool:
    """Whether every database holds it, and every page shows it."""
    return len(text) <= longest and all(character.isprintable() or character in "\n\t" for character in text)
