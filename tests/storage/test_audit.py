"""The audit trail: complete, in order, and telling when somebody has been at it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tollkeeper.storage.audit import START, AuditQuery, AuditTrail
from tollkeeper.storage.database import Database

CHANGE: dict[str, Any] = {
    "author": "ada",
    "action": "change",
    "kind": "price",
    "object_id": "7",
    "reason": "new contract",
}


def note(trail: AuditTrail, database: Database, **fields: object) -> None:
    with database.write() as connection:
        trail.record(connection, **{**CHANGE, **fields})


def unlock(database: Database) -> None:
    """What only somebody who owns the table can do."""
    statements = (
        ["DROP TRIGGER audit_log_no_update", "DROP TRIGGER audit_log_no_delete"]
        if database.is_sqlite
        else ["DROP TRIGGER audit_log_append_only ON audit_log"]
    )
    with database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_an_entry_says_who_changed_what_and_why(database: Database) -> None:
    trail = AuditTrail(database, lambda: 1_000)
    before, after = {"input": "2.5", "ünïcode": "✓"}, {"input": "3", "tiers": [1, None, True]}
    note(trail, database, before=before, after=after)
    entries, cursor = trail.entries()
    (entry,) = entries
    assert cursor is None
    assert entry._asdict() == {
        **CHANGE, "id": 1, "at": 1_000, "before": before, "after": after, "hash": trail.verify().head,
    }  # fmt: skip


def test_a_change_that_is_undone_leaves_no_entry(database: Database) -> None:
    trail = AuditTrail(database)
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        trail.record(connection, **CHANGE)
        _ = 1 // 0
    assert trail.entries() == ([], None)
    assert trail.verify() == (0, START, None)


def test_entries_are_filtered_and_paged_newest_first(database: Database) -> None:
    moments = iter(range(100, 200))
    trail = AuditTrail(database, lambda: next(moments))
    for number in range(7):
        note(trail, database, object_id=str(number % 2), author="ada" if number < 5 else "bob")
    pages, cursor = [], None
    while True:
        page, cursor = trail.entries(AuditQuery(object_id="0", after=cursor, limit=2))
        pages.append([entry.id for entry in page])
        if cursor is None:
            break
    assert pages == [[7, 5], [3, 1]]
    assert [entry.id for entry in trail.entries(AuditQuery(author="bob"))[0]] == [7, 6]
    assert trail.entries(AuditQuery(kind="access_key")) == ([], None)
    some = trail.entries(AuditQuery(start=102, end=104))[0]
    assert {entry.at for entry in some} == {102, 103}
    for cursor in ("x", "-1", "1e3", "²", "9" * 20):
        with pytest.raises(ValueError, match="no cursor"):
            trail.entries(AuditQuery(after=cursor))


def test_time_never_runs_backwards_in_it(database: Database) -> None:
    moments = iter([500, 400, 600])
    trail = AuditTrail(database, lambda: next(moments))
    for _ in range(3):
        note(trail, database)
    assert [entry.at for entry in trail.entries()[0]] == [600, 500, 500]


def test_the_database_refuses_to_change_it(database: Database) -> None:
    trail = AuditTrail(database)
    note(trail, database)
    for statement in ("UPDATE audit_log SET author = 'eve'", "DELETE FROM audit_log"):
        with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
            connection.execute(text(statement))
    assert trail.verify().broken_at is None


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    [
        ("UPDATE audit_log SET author = 'eve' WHERE id = 3", 3),
        ("UPDATE audit_log SET \"before\" = NULL WHERE id = 2", 2),
        ("UPDATE audit_log SET at = at + 1 WHERE id = 5", 5),
        ("DELETE FROM audit_log WHERE id = 1", 1),
        ("DELETE FROM audit_log WHERE id = 4", 4),
        ("UPDATE audit_log SET hash = (SELECT hash FROM audit_log WHERE id = 1) WHERE id = 4", 4),
        ("INSERT INTO audit_log SELECT 6, at, author, action, kind, object_id, NULL, NULL, '', hash FROM audit_log "
         "WHERE id = 5", 6),
    ],
)  # fmt: skip
def test_tampering_shows(database: Database, tampering: str, broken_at: int) -> None:
    trail = AuditTrail(database, lambda: 9)
    for number in range(5):
        note(trail, database, before={"n": number})
    sound = trail.verify()
    assert (sound.entries, sound.broken_at) == (5, None)
    unlock(database)
    with database.write() as connection:
        connection.execute(text(tampering))
    assert trail.verify().broken_at == broken_at


def test_rows_cut_off_at_the_end_show_by_the_head(database: Database) -> None:
    trail = AuditTrail(database)
    for _ in range(3):
        note(trail, database)
    noted = trail.verify()
    unlock(database)
    with database.write() as connection:
        connection.execute(text("DELETE FROM audit_log WHERE id = 3"))
    cut = trail.verify()
    assert cut.broken_at is None
    assert (cut.entries, cut.head) != (noted.entries, noted.head)


def test_several_writers_make_one_chain(database: Database) -> None:
    trail = AuditTrail(database)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: note(trail, database, object_id=str(number)), range(40)))
    assert trail.verify()[::2] == (40, None)
    assert {entry.object_id for entry in trail.entries(AuditQuery(limit=100))[0]} == {str(n) for n in range(40)}
