"""Views for whoever reads the ledger with SQL; `docs/bi.md` says what every column means."""

from alembic import op

revision = "0007_bi_views"
down_revision = "0006_insight"
branch_labels = None
depends_on = None

DIMENSIONS = ("provider", "model", "operation", "tenant", "project", "user", "service", "feature", "config")
COUNTS = ("calls", "failed", "unmeasured", "unpriced")
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")

CORRECTED = """(
    SELECT id, attempt, sum(delta_nano_usd) AS delta, sum(delta_costed) AS costed, sum(delta_unpriced) AS unpriced
    FROM adjustments GROUP BY id, attempt
) a ON a.id = c.id AND a.attempt = c.attempt"""
RETRACTED = "retractions x ON x.id = c.id AND x.attempt = c.attempt"
NOW = """CASE WHEN a.id IS NULL THEN c.nano_usd
    WHEN (CASE WHEN c.nano_usd IS NULL THEN 0 ELSE 1 END) + a.costed <= 0 THEN NULL
    ELSE coalesce(c.nano_usd, 0) + a.delta END"""
UNPRICED = """(CASE WHEN c.price_status = 'unpriced' AND c.usage_source <> 'unknown' THEN 1 ELSE 0 END)
    + coalesce(a.unpriced, 0)"""
CALL = (
    "id", "attempt", "provider", "model", "operation", "request_model", "response_model", "endpoint", "service_tier",
    "status_code", "error_type", "tenant", "project", "user", "session", "service", "feature", "config", *TOKENS,
    "usage_source", "price_status", "price_version", "cost_source", "response_id", "trace_id", "span_id",
)  # fmt: skip
SECONDS = {"duration": "duration_seconds", "time_to_first_chunk": "time_to_first_chunk_seconds"}
NAMES = {"id": "call_id", "user": "user_id", "session": "session_id", "price_status": "recorded_price_status"}
"""Where a column has another name in a view: `user` is a word of SQL."""

VIEWS = ("v_calls", "v_retracted_calls", "v_adjustments", "v_daily_costs", "v_hourly_costs")


def upgrade() -> None:
    dialect = Sqlite() if op.get_bind().dialect.name == "sqlite" else Postgres()
    for name, query in zip(VIEWS, queries(dialect), strict=True):
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")


class Sqlite:
    """It has neither moments nor decimals: texts (ISO 8601, UTC) and floats stand for them."""

    def moment(self, column: str) -> str:
        seconds = f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000000, 'unixepoch')"
        return f"{seconds} || printf('.%06dZ', {column} / 1000 % 1000000)"

    def hour(self, column: str) -> str:
        return f"strftime('%Y-%m-%dT%H:00:00Z', {column} * 3600, 'unixepoch')"

    def day(self, column: str) -> str:
        return f"date({column} * 86400, 'unixepoch')"

    def usd(self, nano: str) -> str:
        return f"({nano}) / 1e9"

    def whole(self, expression: str) -> str:
        return expression

    def flag(self, condition: str) -> str:
        return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


class Postgres:
    """Moments are `timestamptz`, exact to the microsecond, and dollars `numeric`, exact."""

    def moment(self, column: str) -> str:
        return f"timestamptz 'epoch' + {column} / 1000 * interval '1 microsecond'"

    def hour(self, column: str) -> str:
        return f"timestamptz 'epoch' + {column} * interval '1 hour'"

    def day(self, column: str) -> str:
        return f"date 'epoch' + {column}"

    def usd(self, nano: str) -> str:
        return f"(({nano}) * 0.000000001)::numeric(38, 9)"

    def whole(self, expression: str) -> str:
        return f"({expression})::bigint"

    def flag(self, condition: str) -> str:
        return f"({condition})"


def queries(sql: Sqlite | Postgres) -> tuple[str, ...]:
    """In the order of `VIEWS`."""
    calls = ", ".join((*_columns("c", CALL), *(f"c.{old} AS {new}" for old, new in SECONDS.items())))
    started = f"{sql.moment('c.started_at')} AS started_at, {sql.moment('c.recorded_at')} AS recorded_at"
    stream = f"{sql.flag('c.stream')} AS is_stream, {sql.flag('c.error_type IS NOT NULL')} AS is_failed"
    costs = (
        f"{sql.flag('a.id IS NOT NULL')} AS is_adjusted, {sql.flag(UNPRICED + ' > 0')} AS is_unpriced, "
        f"c.nano_usd AS recorded_nano_usd, {sql.whole(NOW)} AS nano_usd, {sql.usd(NOW)} AS usd"
    )
    return (
        f"SELECT {started}, {calls}, {stream}, {costs} FROM calls c LEFT JOIN {CORRECTED}"
        f" LEFT JOIN {RETRACTED} WHERE x.id IS NULL",
        f"SELECT {started}, {calls}, {stream}, {costs}, {sql.moment('x.recorded_at')} AS retracted_at, x.reason"
        f" FROM calls c JOIN {RETRACTED} LEFT JOIN {CORRECTED}",
        f"SELECT c.repricing_id, c.id AS call_id, c.attempt, {started}, c.delta_nano_usd,"
        f" {sql.usd('c.delta_nano_usd')} AS delta_usd, c.nano_usd, {sql.usd('c.nano_usd')} AS usd,"
        f" c.old_price_version, c.new_price_version, c.reason, c.author, {sql.flag('x.id IS NOT NULL')} AS is_retracted"
        f" FROM adjustments c LEFT JOIN {RETRACTED}",
        _sums(sql, "usage_daily", f"{sql.day('r.bucket')} AS day"),
        _sums(sql, "usage_hourly", f"{sql.hour('r.bucket')} AS hour"),
    )


def _sums(sql: Sqlite | Postgres, rollup: str, when: str) -> str:
    numbers = ", ".join(f"r.{name}" for name in (*COUNTS, *TOKENS))
    # What calls without a known cost have cost is not known, unless all have failed.
    nano = "CASE WHEN r.costed <> 0 OR NOT (r.unpriced <> 0 OR r.calls > r.failed) THEN r.nano_usd END"
    return (
        f"SELECT {when}, {', '.join(_columns('d', DIMENSIONS))}, {numbers}, {nano} AS nano_usd, {sql.usd(nano)} AS usd,"
        f" r.costed AS calls_with_cost, r.duration_ns / 1e9 AS duration_seconds, r.timed AS calls_with_duration"
        f" FROM {rollup} r JOIN dimensions d ON d.id = r.dimension WHERE r.calls <> 0 OR r.nano_usd <> 0"
    )


def _columns(table: str, names: tuple[str, ...]) -> list[str]:
    return [f'{table}."{name}" AS {NAMES.get(name, name)}' for name in names]
