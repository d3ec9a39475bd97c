"""The table of the policy's versions. Moments are nanoseconds since the epoch."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from tollkeeper.storage.database import METADATA

POLICY_VERSIONS = Table(
    "policy_versions",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),  # without gaps, in the order of their commits
    Column("document", Text, nullable=False),  # JSON, presets written out
    Column("recorded_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
"""What the policy was, and since when. Rows are only ever added: the last one is in force."""
