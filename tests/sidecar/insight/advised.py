"""A ledger of a month of calls, priced as the sidecar prices them, and what is advised of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sidecar.api.world import NOW, Clock
from tollkeeper.model import Call, Usage
from tollkeeper.policy.document import read_policy
from tollkeeper.sidecar.api.answer import nanoseconds
from tollkeeper.sidecar.insight.advice import Advice
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.recommendations import Recommendations
from tollkeeper.storage.ledger import Entry
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.policies import PolicyStore
from tollkeeper.storage.prices import PriceBook
from tollkeeper.storage.prices.pricer import Pricer

DAY = 86_400_000_000_000
MIDNIGHT = nanoseconds(NOW) // DAY * DAY


class Office(NamedTuple):
    """All that advice is made from. `numbers` gives each call an id."""

    database: Database
    ledger: SqlLedger
    book: PriceBook
    policies: PolicyStore
    limiting: Limiting
    advice: Advice
    clock: Clock
    numbers: Iterator[int]

    def record(self, days: int, a_day: int, model: str = "gpt-4o", **fields: Any) -> list[Call]:
        """So many calls on each of the last whole days, an hour apart from 9 o'clock on, priced and recorded."""
        usage = fields.pop("usage", Usage(input_tokens=100_000, output_tokens=10_000))
        tags = fields.pop("tags", {"feature": "search", "user": "u-1"})
        start = fields.pop("start", MIDNIGHT - days * DAY)
        hour = fields.pop("hour", 9)
        apart = fields.pop("apart", 3_600_000_000_000)
        given = {
            "provider": "openai", "operation": "chat", "request_model": model, "response_model": model,
            "usage_source": "provider", "duration": 0.5, **fields,
        }  # fmt: skip
        calls = [
            Call(
                id=f"019c0000-0000-7000-8000-{next(self.numbers):012d}",
                started_at=start + day * DAY + hour * 3_600_000_000_000 + number * apart,
                usage=usage, tags=tags, **given,
            )
            for day in range(days) for number in range(a_day)
        ]  # fmt: skip
        self.keep(calls)
        return calls

    def keep(self, calls: list[Call]) -> None:
        """Price them, and record them."""
        priced = Pricer(self.book).price(calls)
        recorded = self.ledger.record([Entry(call, call.id.encode()[-16:]) for call in priced])
        assert recorded.new == len(calls)

    def set_policy(self, toml: str) -> None:
        self.policies.set(read_policy(toml, "policy.toml"), author="ada", reason="a test")

    def run(self) -> dict[str, Any]:
        return self.advice.run(nanoseconds(self.clock.now))


def office(url: str) -> Office:
    """Of one database."""
    clock = Clock()
    database = Database(url)
    database.migrate()
    ledger, book = SqlLedger(database, clock.nanoseconds), PriceBook(database, clock.nanoseconds)
    policies = PolicyStore(database, clock.nanoseconds)
    limiting = Limiting(policies, MemoryCounters(clock.nanoseconds), "tests")
    advice = Advice(database, ledger, book, limiting, Recommendations(database, clock.nanoseconds))
    return Office(database, ledger, book, policies, limiting, advice, clock, iter(range(10**9)))
