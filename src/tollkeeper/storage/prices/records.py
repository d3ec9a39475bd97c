"""Versions of the price book as rows of the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select

from tollkeeper.pricing.rows import Match
from tollkeeper.storage.prices.tables import PRICE_VERSIONS
from tollkeeper.storage.prices.versions import Kind, PriceVersion


class HistoryQuery(NamedTuple):
    """Versions, newest first: of one row, of one kind, or about exactly these names. `after` is a page's cursor."""

    row: int | None = None
    kind: Kind | None = None
    provider: str | None = None
    model: str | None = None
    tenant: str | None = None
    after: str | None = None
    limit: int = 50


def load(connection: Connection, known_at: int | None = None) -> list[PriceVersion]:
    """All versions, or those that were recorded by some moment, in the order in which they were."""
    rows = select(PRICE_VERSIONS).order_by(PRICE_VERSIONS.c.id)
    if known_at is not None:
        rows = rows.where(PRICE_VERSIONS.c.recorded_at <= known_at)
    return [_version(row) for row in connection.execute(rows)]


def page(connection: Connection, query: HistoryQuery) -> tuple[list[PriceVersion], str | None]:
    """A page, and the cursor of the next one. Raises `ValueError` for a cursor that is none."""
    rows = select(PRICE_VERSIONS)
    for name in ("row", "kind", "provider", "model", "tenant"):
        if (wanted := getattr(query, name)) is not None:
            rows = rows.where(PRICE_VERSIONS.c[name] == wanted)
    if query.after is not None:
        if not (query.after.isascii() and query.after.isdigit() and len(query.after) < 10):
            raise ValueError(f"{query.after!r} is no cursor of the price book")
        rows = rows.where(PRICE_VERSIONS.c.id < int(query.after))
    found = connection.execute(rows.order_by(PRICE_VERSIONS.c.id.desc()).limit(query.limit + 1)).all()
    versions = [_version(row) for row in found[: query.limit]]
    return versions, str(versions[-1].id) if len(found) > query.limit else None


def insert_version(connection: Connection, version: PriceVersion) -> None:
    """Write one down."""
    content = version.content
    values = {
        **version._asdict(),
        "content": json.dumps(content, sort_keys=True),
        "provider": content["provider"],
        "model": content["model"],
        "tenant": content.get("tenant"),
    }
    connection.execute(insert(PRICE_VERSIONS), values)


def match_of(content: Mapping[str, Any]) -> Match:
    """What a row is about, its time left out."""
    return Match(content["provider"], content["model"])


def _version(row: Row[Any]) -> PriceVersion:
    values = row._asdict()
    values["content"] = json.loads(values["content"])
    return PriceVersion(**{name: values[name] for name in PriceVersion._fields})
