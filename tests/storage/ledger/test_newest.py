"""The newest call of each provider, by its rollups."""

from __future__ import annotations

from storage.ledger.drawn import DAY, HOUR, NOON, call, entry
from tollkeeper.storage.ledger import Retraction
from tollkeeper.storage.ledger.sql import SqlLedger


def test_the_newest_call_of_each_provider(ledger: SqlLedger) -> None:
    assert ledger.newest(NOON) == {}
    made = [
        call(1, started_at=NOON - 40 * DAY),
        call(2, started_at=NOON - 40 * DAY + HOUR // 2),
        call(3, started_at=NOON - 40 * DAY + HOUR),
        call(4, provider="anthropic", started_at=NOON - 7),
        call(5, provider="anthropic", started_at=NOON + 2 * DAY),
        call(6, provider="groq", started_at=2**63 - 2),
    ]
    ledger.record([entry(one) for one in made])
    assert ledger.newest(NOON + DAY) == {"openai": made[2].started_at, "anthropic": NOON - 7}
    ledger.retract([Retraction(made[2].id, 1, "twice"), Retraction(made[3].id, 1, "twice")])
    assert ledger.newest(NOON + DAY) == {"openai": made[1].started_at}
    assert ledger.newest(2**63 - 1) == {"openai": made[1].started_at, "anthropic": NOON + 2 * DAY, "groq": 2**63 - 2}
    ledger.prune(NOON)
    assert ledger.newest(NOON + DAY) == {"openai": NOON - 40 * DAY}
