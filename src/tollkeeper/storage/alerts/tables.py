"""The tables of alerts. Moments are nanoseconds since the epoch."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from tollkeeper.storage.database import METADATA

_OPEN = text("ended_at IS NULL")

ALERTS = Table(
    "alerts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("identity", Text, nullable=False),  # JSON
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("scope", Text, nullable=False),  # JSON
    Column("severity", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("period_start", BigInteger, nullable=False),
    Column("period_end", BigInteger, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),  # JSON
    Column("ended_at", BigInteger),
    Column("acknowledged_by", Text),
    Column("acknowledged_at", BigInteger),
    Column("acknowledged_level", Integer, nullable=False),
    Index("uq_alerts_identity", "identity", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_alerts_began_at", "began_at"),
    Index("ix_alerts_ended_at", "ended_at"),
)
"""Of each identity, one at most is open."""

NOTIFICATIONS = Table(
    "notifications",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("alert", Text, nullable=False),  # JSON: as it was when this was to be told
    Column("state", Text, nullable=False),  # waiting, sent or dead
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_by", Text),
    Column("claimed_until", BigInteger),
    Column("finished_at", BigInteger),
    Column("detail", Text),
    Index("ix_notifications_state_next_at", "state", "next_at"),
    Index("ix_notifications_channel_state", "channel", "state"),
    Index("ix_notifications_alert_id", "alert_id"),
    Index("ix_notifications_created_at", "created_at"),
)

SILENCES = Table(
    "silences",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("match", Text, nullable=False),  # JSON
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
)

REPORT_SCHEDULES = Table(
    "report_schedules",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("document", Text, nullable=False),  # JSON
    Column("changed_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
)

CHANNELS = Table(
    "channels",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("document", Text, nullable=False),  # JSON
    Column("changed_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
)
