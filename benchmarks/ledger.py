"""How quick the ledger is: recording on SQLite and PostgreSQL, and questions over ten million calls on SQLite.

    python benchmarks/ledger.py [--rows 10000000] [--file FOLDER/ledger.db] [--postgresql URL] [--recorded 20000]

The file is kept, and used again by the next run if it has as many rows. `--postgresql` names an empty database that may
be written to. What is recorded has every column filled; users, tenants and features are as many as `WORLD` says.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

from tollkeeper.capture.identity import new_call_id
from tollkeeper.model import Call, Cost, LineItem, Usage
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import DIMENSIONS, CallQuery, Entry, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger

TENANTS, USERS, DAYS = 50, 2000, 30
FEATURES = (("chat", "api"), ("search", "api"), ("summary", "worker"), ("extract", "worker"))
MODELS = ("gpt-4o-mini-2024-07-18", "gpt-4o-2024-11-20", "claude-sonnet-4-5-20250929", "o4-mini-2025-04-16")
WORLD = f"{USERS} users of {TENANTS} tenants, {len(FEATURES)} features, 2 models for each, {DAYS} days"
DAY = 86_400 * 10**9
FIRST_DAY = 20_393  # 1 November 2025
BATCHES = (100, 1000, 5000)


def calls(count: int, dice: random.Random, users: int = USERS) -> list[Entry]:
    """Calls of just now, as the sidecar would hand them on."""
    prices = Decimal("0.00000015"), Decimal("0.0000006")
    made = []
    for _ in range(count):
        user, chosen = dice.randrange(users), dice.randrange(len(FEATURES))
        feature, service = FEATURES[chosen]
        model = MODELS[(chosen + (dice.random() < 0.2)) % len(MODELS)]
        usage = Usage(dice.randint(50, 8000), dice.randint(1, 1500), 0, reasoning_tokens=0)
        amounts = (usage.input_tokens or 0) * prices[0], (usage.output_tokens or 0) * prices[1]
        items = (
            LineItem("input", usage.input_tokens or 0, prices[0], amounts[0]),
            LineItem("output", usage.output_tokens or 0, prices[1], amounts[1]),
        )
        call = Call(
            id=new_call_id(),
            provider="openai",
            operation="chat",
            started_at=time.time_ns(),
            request_model=model[:-11],
            response_model=model,
            endpoint="api.openai.com/v1/chat/completions",
            server_address="api.openai.com",
            server_port=443,
            parameters={"gen_ai.request.temperature": 0.2, "gen_ai.request.max_tokens": 512},
            tags={"tenant": f"tenant-{user % TENANTS}", "user": f"user-{user}", "service": service, "feature": feature},
            duration=dice.random() * 4,
            response_id=f"chatcmpl-{dice.getrandbits(128):032x}",
            finish_reasons=("stop",),
            service_tier="default",
            status_code=200,
            usage=usage,
            usage_source="provider",
            cost=Cost(sum(amounts, Decimal(0)), "catalog", items, "genai-prices 0.2.3"),
            price_status="priced",
            trace_id=f"{dice.getrandbits(128):032x}",
            span_id=f"{dice.getrandbits(64):016x}",
        )
        made.append(Entry(call, dice.randbytes(16)))
    return made


def recording(ledger: SqlLedger, count: int, dice: random.Random) -> Iterator[tuple[int, float, float]]:
    """(batch size, seconds a row, of them seconds of our own CPU), after a first batch that is not measured."""
    for size in BATCHES:
        work = calls(count + size, dice)
        # What a benchmark holds ready is nothing that a sidecar would have the collector walk through.
        gc.collect()
        gc.freeze()
        ledger.record(work[:size])
        began, busy = time.perf_counter(), time.process_time()
        for start in range(size, len(work), size):
            ledger.record(work[start : start + size])
        yield size, (time.perf_counter() - began) / count, (time.process_time() - busy) / count
        gc.unfreeze()


def generate(database: Database, ledger: SqlLedger, rows: int, first: int = FIRST_DAY, days: int = DAYS) -> None:
    """Fill the file by SQL, a day at a time, and have the ledger make its rollups from that.

    `first` is counted in days since the epoch.
    """
    each = rows // days
    for day in range(days):
        with database.write() as connection:
            connection.exec_driver_sql(INSERT, (each, first + day, each))
        start = (first + day) * DAY
        ledger.rebuild_rollups(start, start + DAY)
        print(f"\r{(day + 1) * each:,} rows", end="", flush=True)
    print()


# Every pick is a number modulo a prime, so that users, features and models come in all combinations.
INSERT = f"""
WITH RECURSIVE picks(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM picks WHERE n + 1 < ?),
made AS (
    SELECT n, ? AS day, n * 7919 % {USERS} AS user, n / 7 % {len(FEATURES)} AS feature, n / 3 % 5 AS other, ? AS each
    FROM picks
),
timed AS (SELECT *, day * {DAY} + n * ({DAY} / each) AS moment, day * each + n AS number FROM made)
INSERT INTO calls (
    id, attempt, month, started_at, recorded_at, emitter, digest, provider, model, operation, request_model,
    response_model, endpoint, service_tier, stream, status_code, error_type, duration, tenant, user, service, feature,
    input_tokens, output_tokens, cache_read_tokens, reasoning_tokens, usage_source, nano_usd, price_status,
    price_version, cost_source, response_id, trace_id, span_id, line_items, details
)
SELECT
    printf(
        '%08x-%04x-7%03x-8%03x-%012x',
        moment / 1000000 / 65536, moment / 1000000 % 65536, number % 4096, n % 4096, number
    ),
    1, strftime('%Y%m', day * 86400, 'unixepoch'), moment,
    moment + 1000000000, 'tollkeeper', randomblob(16), 'openai', {{model}}, 'chat', {{model}},
    {{model}}, 'api.openai.com/v1/chat/completions', 'default', 0, 200, CASE WHEN n % 97 = 0 THEN 'timeout' END,
    n % 4000 / 1000.0, 'tenant-' || (user % {TENANTS}), 'user-' || user,
    CASE WHEN feature < 2 THEN 'api' ELSE 'worker' END, {{feature}},
    n % 8000, n % 1500, 0, 0, 'provider', (n % 8000) * 150 + (n % 1500) * 600, 'priced',
    'genai-prices 0.2.3', 'catalog', 'chatcmpl-' || number, lower(hex(randomblob(16))), printf('%016x', number),
    '[["input",' || (n % 8000) || ',"1.5E-7","0.0012",null],["output",' || (n % 1500) || ',"6E-7","0.0009",null]]',
    '{{"server_address":"api.openai.com","server_port":443,"finish_reasons":["stop"],"usd":"0.0021"}}'
FROM timed
"""
INSERT = INSERT.replace("{model}", "CASE WHEN other = 0 THEN '" + MODELS[3] + "' ELSE '" + MODELS[0] + "' END").replace(
    "{feature}",
    "CASE feature " + " ".join(f"WHEN {number} THEN '{name}'" for number, (name, _) in enumerate(FEATURES)) + " END",
)


def questions() -> dict[str, Callable[[SqlLedger], object]]:
    """What is asked of the file, about all of its thirty days."""
    month = UsageQuery(FIRST_DAY * DAY, (FIRST_DAY + DAYS) * DAY)
    by_day = month._replace(interval="day")
    ends = month.start, month.end
    return {
        "totals": lambda ledger: ledger.usage(month),
        "by day": lambda ledger: ledger.usage(by_day),
        "by model": lambda ledger: ledger.usage(month._replace(group_by=("model",))),
        "by tenant": lambda ledger: ledger.usage(month._replace(group_by=("tenant",))),
        "by day and tenant": lambda ledger: ledger.usage(by_day._replace(group_by=("tenant",))),
        "one tenant, by feature": lambda ledger: ledger.usage(
            month._replace(group_by=("feature",), filters={"tenant": ("tenant-7",)})
        ),
        "by day in New York": lambda ledger: ledger.usage(by_day._replace(zone="America/New_York")),
        "by day in Kolkata": lambda ledger: ledger.usage(by_day._replace(zone="Asia/Kolkata")),
        "by user": lambda ledger: ledger.usage(month._replace(group_by=("user",))),
        "by hour": lambda ledger: ledger.usage(month._replace(interval="hour")),
        "one user, by day in New York": lambda ledger: ledger.usage(
            by_day._replace(filters={"user": ("user-7",)}, zone="America/New_York")
        ),
        "20 failed calls of a tenant": lambda ledger: ledger.calls(
            CallQuery(*ends, {"tenant": ("tenant-7",)}, "failed", limit=20)
        ),
        "50 dearest calls": lambda ledger: ledger.calls(CallQuery(*ends, order="dearest")),
        "50 newest calls of a user": lambda ledger: ledger.calls(CallQuery(*ends, {"user": ("user-7",)})),
    }


def ask(ledger: SqlLedger) -> None:
    print("\n| question over 30 days | median ms | first ms |\n| --- | --: | --: |")
    for name, question in questions().items():
        taken = []
        for _ in range(5):
            began = time.perf_counter()
            question(ledger)
            taken.append((time.perf_counter() - began) * 1000)
        print(f"| {name} | {statistics.median(taken):.1f} | {taken[0]:.1f} |", flush=True)


def measure(name: str, ledger: SqlLedger, count: int) -> None:
    for size, seconds, busy in recording(ledger, count, random.Random(1)):
        print(f"| {name} | {size} | {seconds * 1e6:.1f} | {busy * 1e6:.1f} | {1 / seconds:,.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--postgresql")
    parser.add_argument("--recorded", type=int, default=20_000)
    options = parser.parse_args()
    head = "| database | batch | µs a row | CPU µs a row | rows/s |\n| --- | --: | --: | --: | --: |"
    print(f"{WORLD}; {len(DIMENSIONS)} dimensions\n\n{head}")
    with tempfile.TemporaryDirectory() as folder:
        for url in (f"sqlite:///{folder}/empty.db", options.postgresql):
            if url:
                database = Database(url)
                database.migrate()
                measure(database.engine.dialect.name, SqlLedger(database), options.recorded)
                database.close()
        file = options.file or Path(folder) / "full.db"
        database = Database(f"sqlite:///{file}")
        database.migrate()
        ledger = SqlLedger(database)
        month = questions()["totals"](ledger)
        if not (isinstance(month, list) and month and month[0].totals.calls >= options.rows // DAYS * DAYS):
            generate(database, ledger, options.rows)
        measure(f"sqlite, {options.rows:,} rows", ledger, options.recorded)
        print(f"\n{file.stat().st_size / 1e9:.1f} GB")
        ask(ledger)
        database.close()


if __name__ == "__main__":
    main()
