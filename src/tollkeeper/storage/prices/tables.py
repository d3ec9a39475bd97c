"""The price book's table. Moments are nanoseconds since the epoch."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from tollkeeper.storage.database import METADATA

PRICE_VERSIONS = Table(
    "price_versions",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),  # without gaps, in the order of their commits
    Column("row", Integer, nullable=False),  # what it is a version of: the id of that row's first version
    Column("kind", Text, nullable=False),  # price, alias or discount
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tenant", Text),
    Column("content", Text, nullable=False),  # JSON, as in a price file
    Column("withdrawn", Boolean, nullable=False),  # it says that nothing holds
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger),  # not included; NULL: for ever
    Column("recorded_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),  # where the price was found, such as a URL; '' is nowhere
    Column("replaces", Integer),
    Column("hash", Text, nullable=False),
    Index("ix_price_versions_row", "row", "id"),
)
"""What was said about prices, and when. Rows are only ever added: of two versions of a row, the later one counts for
the time that both are about."""
