"""Access keys: found by what they are, stored as what they are not."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, select

from clocks import Clock
from tollkeeper.storage.access_keys import ACCESS_KEYS, SCOPES, AccessKey, AccessKeyError, AccessKeys
from tollkeeper.storage.audit import AuditQuery, AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import LedgerUnavailable

SECOND = 1_000_000_000


@pytest.fixture
def keys(database: Database, clock: Clock) -> AccessKeys:
    return AccessKeys(database, clock)


def test_a_key_opens_the_door_and_nothing_else_does(keys: AccessKeys, clock: Clock) -> None:
    text, made = keys.create("grafana", ["read"], author="ada")
    other, _ = keys.create("ingest", ["write"], author="ada")
    found = keys.authenticate(text)
    assert found is not None
    assert found == made._replace(last_used_at=clock.now)
    assert text.startswith(f"tk_{made.prefix}_")
    assert len(text.rpartition(made.prefix + "_")[2]) == 43  # 256 bits
    secret = other.split("_", 2)[2]
    for wrong in (
        "", "tk", "tk_", "tk__", f"tk_{made.prefix}", f"tk_{made.prefix}_", f"tk_{made.prefix}_{secret}", text[:-1],
        text + "x", text.upper(), text.replace("tk_", "sk_"), f"Bearer {text}", text + "\0", "tk_é_é", "tk_'_' OR 1=1",
    ):  # fmt: skip
        assert keys.authenticate(wrong) is None, wrong


@pytest.mark.parametrize(("scopes", "allowed"), [("read", "r"), ("write", "rw"), ("edit", "rwe"), ("admin", "rwea")])
def test_a_scope_allows_what_the_lesser_ones_do(keys: AccessKeys, scopes: str, allowed: str) -> None:
    _, key = keys.create("k", [scopes], author="ada")
    assert "".join(scope[0] for scope in SCOPES if key.allows(scope)) == allowed


def test_expiry_is_to_the_nanosecond(keys: AccessKeys, clock: Clock) -> None:
    end = clock.now + 60 * SECOND
    text, _ = keys.create("k", ["read"], author="ada", expires_at=end)
    assert keys.authenticate(text, end - 1) is not None
    assert keys.authenticate(text, end) is None


def test_a_revoked_key_is_useless_at_once_in_every_process(
    database_url: str, database: Database, keys: AccessKeys, clock: Clock
) -> None:
    text, key = keys.create("k", ["admin"], author="ada")
    elsewhere = AccessKeys(Database(database_url), clock)
    assert elsewhere.authenticate(text) is not None
    clock.now += SECOND
    revoked = keys.revoke(key.prefix, author="bob", reason="leaked")
    assert revoked.revoked_at == clock.now
    assert elsewhere.authenticate(text) is None
    assert keys.authenticate(text) is None
    assert keys.revoke(key.prefix, author="eve")[:-1] == revoked[:-1], "revoking twice changes nothing"
    with pytest.raises(LookupError, match="tk_nobody"):
        keys.revoke("nobody", author="bob")
    entries, _ = AuditTrail(database).entries(AuditQuery(kind="access_key"))
    assert [(entry.action, entry.author, entry.reason, entry.object_id) for entry in entries] == [
        ("revoke", "bob", "leaked", key.prefix),
        ("create", "ada", "", key.prefix),
    ]
    assert entries[0].before["revoked_at"] is None
    assert entries[0].after["revoked_at"] == clock.now


def test_use_is_written_down_once_a_minute(database: Database, keys: AccessKeys, clock: Clock) -> None:
    text, _ = keys.create("k", ["read"], author="ada")
    updates: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute",
        lambda connection, cursor, statement, *rest: updates.append(statement) if "UPDATE" in statement else None,
    )  # fmt: skip
    start = clock.now
    for seconds, used, written in ((0, 0, 1), (1, 0, 1), (59, 0, 1), (60, 60, 2), (100, 60, 2), (125, 125, 3)):
        clock.now = start + seconds * SECOND
        found = keys.authenticate(text)
        assert found is not None
        assert found.last_used_at == start + used * SECOND
        assert len(updates) == written
    assert keys.keys()[0].last_used_at == start + 125 * SECOND


def test_what_is_wrong_is_told_at_once(keys: AccessKeys, clock: Clock) -> None:
    with pytest.raises(AccessKeyError) as caught:
        keys.create(" ", ["read", "root"], author="a\nb", expires_at=clock.now)
    assert str(caught.value).splitlines() == [
        "access key: name: ' '; expected a text of 1 to 100 characters that can be printed",
        "access key: author: 'a\\nb'; expected a text of 1 to 100 characters that can be printed",
        "access key: scopes: 'root'; expected read, write, edit, admin",
        f"access key: expires_at: {clock.now}; expected a moment that is yet to come",
    ]
    with pytest.raises(AccessKeyError, match="scopes: missing"):
        keys.create("k", [], author="ada")
    assert keys.keys() == []


def test_the_first_key_is_made_once(database: Database, keys: AccessKeys, clock: Clock) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: AccessKeys(database, clock).bootstrap(), range(8)))
    (first,) = [one for one in made if one is not None]
    text, key = first
    assert (key.name, key.scopes) == ("bootstrap", ("admin",))
    assert keys.authenticate(text) is not None
    keys.revoke(key.prefix, author="ada")
    assert keys.bootstrap() is None, "a key that was revoked does not come back by a restart"


def test_keys_are_listed_newest_first(keys: AccessKeys, clock: Clock) -> None:
    made: list[AccessKey] = []
    for name in ("a", "b", "c"):
        clock.now += SECOND
        made.insert(0, keys.create(name, ["write", "read"], author="ada")[1])
    assert keys.keys() == made
    assert made[0].scopes == ("read", "write")


def test_a_key_is_nowhere_but_with_its_owner(
    database: Database, keys: AccessKeys, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        text, key = keys.create("k", ["read"], author="ada")
        keys.authenticate(text)
        keys.authenticate(text + "x")
        keys.revoke(key.prefix, author="ada")
    secret = text.split("_", 2)[2]
    assert secret not in repr(key) + repr(keys.keys()) + repr(keys)
    assert secret not in caplog.text
    assert secret not in repr(AuditTrail(database).entries())
    with database.read() as connection:
        assert secret not in repr(connection.execute(select(ACCESS_KEYS)).all())
    if database.is_sqlite:
        database.close()
        assert not any(secret.encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_a_database_that_is_away_is_no_wrong_key(tmp_path: Path) -> None:
    keys = AccessKeys(Database(f"sqlite:///{tmp_path / 'empty.db'}"))  # not migrated: there is no table
    with pytest.raises(LedgerUnavailable):
        keys.authenticate("tk_00000000_secret")


def test_a_key_is_good_where_its_use_cannot_be_written(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'busy.db'}", busy_milliseconds=1)
    database.migrate()
    keys = AccessKeys(database)
    text, _ = keys.create("k", ["read"], author="ada")
    with database.write():
        found = keys.authenticate(text)
    assert found is not None
    assert found.last_used_at is None
    database.close()
