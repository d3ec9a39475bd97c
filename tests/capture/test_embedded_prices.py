"""`instrument(ledger=…)`: what the ledger's price book says is what the ledger has, from the next call on."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import openai

import tollkeeper
from tollkeeper.simulator import Simulator
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import CallQuery
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.prices import PriceBook


def test_a_discount_in_the_ledgers_price_book_is_applied(
    instrumented: Callable[..., tollkeeper.Instrumentation], calls: list[tollkeeper.Call], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'usage.db'}"
    database = Database(url)
    database.migrate()
    book = PriceBook(database)
    handle = instrumented(ledger=url, spool=tmp_path / "spool")
    with Simulator(seed=1) as simulator:
        client = openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any", max_retries=0)
        for percent in (0, 20):
            if percent:
                book.add("discount", {"model": "gpt-4o*", "percent": percent}, author="ada", reason="contract")
            client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
            assert handle.flush(10)
    rows, _ = SqlLedger(database).calls(CallQuery())
    book.close()
    database.close()
    kept = {row["id"]: (row["nano_usd"], row["cost_source"]) for row in rows}
    listed = [call.cost.usd * 10**9 for call in calls if call.cost is not None]
    assert [kept[call.id] for call in calls] == [(listed[0], "catalog"), (listed[1] * Decimal("0.8"), "overlay")]
