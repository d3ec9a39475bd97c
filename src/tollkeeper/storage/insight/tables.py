"""The tables of insight. Moments are nanoseconds since the epoch, money is nano-dollars, `NULL` is unknown."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from tollkeeper.storage.database import METADATA

_OPEN = text("ended_at IS NULL")

EVALUATIONS = Table(
    "evaluations",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Column("claimed_by", Text, nullable=False),
    Column("at", BigInteger),  # of the body
    Column("body", Text),  # JSON
)
"""Of each evaluator: when it is to run again, and what came of it last."""

ANOMALIES = Table(
    "anomalies",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("identity", Text, nullable=False),  # JSON: source, metric, scope, up or down, rule
    Column("kind", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("scope", Text, nullable=False),  # JSON
    Column("severity", Text, nullable=False),
    Column("excess_nano_usd", BigInteger),
    Column("began_at", BigInteger, nullable=False),
    Column("found_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("document", Text, nullable=False),  # JSON: the anomaly as it was seen last
    Column("facts", Text, nullable=False),  # JSON: figures of its kind alone, for people
    Column("acknowledged_by", Text),
    Column("acknowledged_at", BigInteger),
    Column("label", Text),  # real or false, says a person
    Column("labelled_by", Text),
    Column("labelled_at", BigInteger),
    Column("note", Text),
    Column("response", Text),  # emergency or steps: what was done, as a policy says
    Column("responded_at", BigInteger),
    Column("response_ended_at", BigInteger),
    Index("uq_anomalies_identity", "identity", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_anomalies_began_at", "began_at"),
    Index("ix_anomalies_ended_at", "ended_at"),
    Index("ix_anomalies_labelled_at", "labelled_at"),
)
"""Of each identity, one at most is open."""

RECOMMENDATIONS = Table(
    "recommendations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("scope", Text, nullable=False),  # JSON
    Column("state", Text, nullable=False),  # open, accepted, dismissed or gone
    Column("made_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("saving_nano_usd", BigInteger),  # a month
    Column("document", Text, nullable=False),  # JSON: the recommendation as it was made last, or as it was accepted
    Column("decided_by", Text),
    Column("decided_at", BigInteger),
    Column("reason", Text),
    Column("decided_saving_nano_usd", BigInteger),  # what it would have saved when it was decided
    Column("before", Text),  # JSON: what was measured when it was accepted
    Column("tracking", Text),  # JSON: what it has saved since, as it was found last
    Index("ix_recommendations_state", "state"),
)

_CURRENT = text("replaced_at IS NULL")

INVOICE_LINES = Table(
    "invoice_lines",
    METADATA,
    Column("id", Text, nullable=False),  # a hash of what line it is: of which source, day, model, item and so on
    Column("version", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("day", BigInteger, nullable=False),  # where the day of UTC begins that the source names
    Column("told", Text, nullable=False),  # usage or cost
    Column("model", Text, nullable=False),  # '' where the source does not say, as in what follows
    Column("item", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("tokens", BigInteger),
    Column("requests", BigInteger),
    Column("amount", Text),  # dollars, as a decimal number of any length
    Column("imported_at", BigInteger, nullable=False),
    Column("replaced_at", BigInteger),
    Column("author", Text, nullable=False),
    Column("raw", Text, nullable=False),  # JSON: as the source says it
    PrimaryKeyConstraint("id", "version"),
    Index("uq_invoice_lines_id", "id", unique=True, sqlite_where=_CURRENT, postgresql_where=_CURRENT),
    Index("ix_invoice_lines_provider_day", "provider", "day"),
)
"""What providers say was used, and what it cost. A line that is told otherwise later takes the place of what it said
before, which stays; one that is not told any more is replaced by none.
"""

INVOICE_DAYS = Table(
    "invoice_days",
    METADATA,
    Column("source", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("day", BigInteger, nullable=False),
    Column("told_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("source", "provider", "day"),
)
"""The days of which a source was asked: one without lines is a day without a bill."""

BENCHMARKS = Table(
    "benchmarks",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),  # '': of all models of the provider
    Column("metric", Text, primary_key=True),
    Column("value", Text, nullable=False),  # a decimal number, in the metric's unit
    Column("source", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
)
"""What providers are held against, and who says so. People fill it: it is empty at first."""
