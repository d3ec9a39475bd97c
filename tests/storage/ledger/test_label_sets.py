"""Which label sets metrics show: the first that there were, for every sidecar and after every restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select

from storage.ledger.drawn import call, entry
from tollkeeper.sidecar.metrics import LedgerTotals, MetricsPage
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.storage.ledger.tables import LABEL_SETS


def test_the_first_keep_their_places(ledger: SqlLedger, database: Database) -> None:
    a, b, c, d = (("openai", name) for name in "abcd")
    assert ledger.label_sets([], 2) == set()
    assert ledger.label_sets([b], 2) == {b}
    assert ledger.label_sets([a, c, b], 2) == {a, b}
    other = SqlLedger(database)
    assert other.label_sets([d, c, b], 2) == {a, b}
    assert other.label_sets([d, c, b], 3) == {a, b, d}
    assert ledger.label_sets([c, d], 2) == {a, b}
    assert ledger.label_sets([("é\n", '"')], 4) == {a, b, d, ("é\n", '"')}


def test_those_who_note_at_once_agree(database_url: str) -> None:
    Database(database_url).migrate()
    ledgers = [SqlLedger(Database(database_url)) for _ in range(4)]
    found = [[(str(number * step % 31),) for number in range(31)] for step in (1, 7, 11, 30)]
    with ThreadPoolExecutor(4) as pool:
        shown = list(pool.map(lambda ledger, sets: ledger.label_sets(sets, 20), ledgers, found))
    assert all(sets == shown[0] and len(sets) == 20 for sets in shown)
    with ledgers[0]._database.read() as connection:
        assert connection.execute(select(LABEL_SETS.c.place).order_by(LABEL_SETS.c.place)).scalars().all() == list(
            range(20)
        )
    for ledger in ledgers:
        ledger.close()


def test_metrics_are_the_same_after_a_restart(ledger: SqlLedger, database: Database) -> None:
    """What became dearer meanwhile does not take the place of another one."""
    ledger.record([entry(call(number, response_model=f"m{number}")) for number in range(3)])
    page = MetricsPage(LedgerTotals(ledger, 2, lambda: 0.0), list)
    before = page.render()
    ledger.record([entry(call(number, response_model="m0")) for number in range(10, 40)])
    shown, again = (
        MetricsPage(LedgerTotals(one, 2, lambda: 0.0), list).render() for one in (ledger, SqlLedger(database))
    )
    assert shown == again
    assert b'model="m0"' not in before + shown
    assert b'model="other"' in shown
