"""The policy in the database: versions that are only added, audited, and the same in SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tollkeeper.model import Limit, Match, Window
from tollkeeper.policy import Policy
from tollkeeper.policy.presets import limits_of_preset
from tollkeeper.storage.audit import AuditQuery, AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.policies import PolicyConflict, PolicyStore

FEW = Limit("few", "requests", 60, Window("minute"), per=("user",))
BUDGET = Limit("budget", "usd", 10_500_000_000, Window("day", "Europe/Berlin"), Match(("openai",)), at=(80,))
SEED = Policy("seed", limits_of_preset("seed"))


@pytest.fixture
def store(database: Database) -> Iterator[PolicyStore]:
    moments = iter(range(1_000, 1_000_000, 1_000))
    store = PolicyStore(database, lambda: next(moments))
    yield store
    store.close()


def test_nobody_has_set_one(store: PolicyStore) -> None:
    version = store.current()
    assert (version.id, version.policy(), store.revision()) == (0, Policy(), 0)
    assert store.history() == ([], None)


def test_what_is_set_is_what_is_read(store: PolicyStore) -> None:
    policy = Policy("acme", (FEW, BUDGET, *SEED.limits))
    said = store.set(policy, author="ann", reason="to begin with")
    assert store.current() == said
    assert said.policy() == policy
    assert (said.id, said.author, said.reason, store.revision()) == (1, "ann", "to begin with", 1)


def test_the_same_again_is_no_new_version(store: PolicyStore) -> None:
    first = store.set(SEED, author="file", reason="policy.toml")
    assert store.set(SEED, author="file", reason="again") == first
    other = store.set(Policy("none"), author="ann", reason="all may call")
    assert store.set(SEED, author="file", reason="again").id == other.id + 1 == 3


def test_somebody_else_was_quicker(store: PolicyStore) -> None:
    store.set(SEED, author="ann", reason="first", expected=0)
    with pytest.raises(PolicyConflict, match="at version 1, and not at 0 any more"):
        store.set(Policy(), author="bob", reason="too late", expected=0)
    assert store.revision() == 1


def test_editors_do_not_undo_each_other(store: PolicyStore) -> None:
    def add(number: int) -> None:
        limit = replace(FEW, name=f"few {number}")
        store.edit(lambda policy: replace(policy, limits=(*policy.limits, limit)), author="ann", reason="one more")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))
    assert {limit.name for limit in store.current().policy().limits} == {f"few {number}" for number in range(12)}
    assert store.revision() == 12 and store.broken() == []


def test_history_in_pages(store: PolicyStore) -> None:
    for number in range(5):
        store.set(Policy(f"p{number}"), author="ann", reason=f"{number}")
    page, cursor = store.history(limit=3)
    rest, end = store.history(cursor, limit=3)
    assert [version.policy().name for version in (*page, *rest)] == ["p4", "p3", "p2", "p1", "p0"]
    assert end is None
    with pytest.raises(ValueError, match="no cursor"):
        store.history("x")


def test_it_is_audited(store: PolicyStore, database: Database) -> None:
    store.set(SEED, author="ann", reason="to begin with")
    store.set(Policy("none"), author="bob", reason="an emergency")
    last, first = AuditTrail(database).entries(AuditQuery(kind="policy"))[0]
    assert (first.author, first.action, first.before) == ("ann", "set", None)
    assert (last.author, last.reason, last.before, last.after) == ("bob", "an emergency", first.after, {
        "policy": {"name": "none"}, "limit": [],
    })  # fmt: skip


@pytest.mark.parametrize(("author", "reason"), [("", "x"), ("ann", " "), ("ann", "x" * 2001), ("a" * 256, "x")])
def test_who_and_why_are_needed(store: PolicyStore, author: str, reason: str) -> None:
    with pytest.raises(ValueError, match="expected a text"):
        store.set(SEED, author=author, reason=reason)
    assert store.revision() == 0


def test_what_cannot_be_written_down_is_refused(store: PolicyStore) -> None:
    with pytest.raises(ValueError, match="expected a name of letters"):
        store.set(Policy("p", (replace(FEW, name="[few]"),)), author="ann", reason="x")


def test_rows_cannot_be_changed_and_a_change_shows(store: PolicyStore, database: Database) -> None:
    store.set(SEED, author="ann", reason="x")
    for change in ("UPDATE policy_versions SET author = 'bob'", "DELETE FROM policy_versions"):
        with pytest.raises(DBAPIError, match="append-only"), database.write() as connection:
            connection.execute(text(change))
    with database.write() as connection:
        off = (
            "DROP TRIGGER policy_versions_no_update"
            if database.is_sqlite
            else "ALTER TABLE policy_versions DISABLE TRIGGER ALL"
        )
        connection.execute(text(off))
        connection.execute(text("UPDATE policy_versions SET author = 'bob'"))
    assert store.broken() == [1]
