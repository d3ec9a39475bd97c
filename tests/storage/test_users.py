"""People, their passwords and their sessions: nothing that opens a door is kept, and who is out is out at once."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from clocks import Clock
from tollkeeper.storage.audit import AuditQuery, AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import LedgerUnavailable
from tollkeeper.storage.passwords import Passwords
from tollkeeper.storage.sessions import HOUR_NS, IDLE_NS, LONGEST_NS, SESSIONS, Holder, Session, Sessions
from tollkeeper.storage.users import USERS, User, UserConflict, UserError, Users

SECOND = 1_000_000_000
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"
OTHER = "staple of all trades"


@pytest.fixture
def users(database: Database, clock: Clock) -> Users:
    return Users(database, clock, Passwords(QUICK))


@pytest.fixture
def sessions(database: Database, clock: Clock) -> Sessions:
    return Sessions(database, clock)


def signed_in(sessions: Sessions, user: User) -> tuple[str, Session]:
    return sessions.start(Holder(user.name, user.name, user.password_set_at), address="203.0.113.9", agent="a browser")


def test_who_has_the_password_is_who_they_say(users: Users, clock: Clock) -> None:
    made = users.create("Ada@Example.com", "editor", PASSWORD, author="root", reason="new here")
    assert made == User("ada@example.com", "editor", 1, clock.now, "root", clock.now)
    assert users.authenticate(" ADA@example.com", PASSWORD) == made
    for name, wrong in (
        ("ada@example.com", PASSWORD + "x"), ("ada@example.com", PASSWORD.upper()), ("ada@example.com", ""),
        ("grace", PASSWORD), ("", PASSWORD), ("ada\0", PASSWORD), ("ada@example.com", PASSWORD + "\0"),
        ("ada@example.com", "x" * 1_000_000), ("ada@example.com", "\ud800"),
    ):  # fmt: skip
        assert users.authenticate(name, wrong) is None, (name, wrong[:30])
    clock.now += SECOND
    assert users.note_sign_in(made).last_signed_in_at == clock.now
    assert users.users() == [made._replace(last_signed_in_at=clock.now)]


def test_a_letter_is_the_same_from_every_keyboard(users: Users) -> None:
    users.create("ada", "viewer", "schöne Grüße 1", author="root")
    assert users.authenticate("ada", "scho\u0308ne Gru\u0308ße 1") is not None


def test_an_unknown_user_is_as_much_work_as_a_known_one(database: Database) -> None:
    class Counted(PasswordHasher):
        work: list[str] = []

        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            self.work.append(str(hash).rpartition("$")[0].rpartition("$")[0])
            return super().verify(hash, password)

    users = Users(database, passwords=Passwords(Counted(time_cost=2, memory_cost=16, parallelism=1)))
    users.create("ada", "viewer", PASSWORD, author="root")
    users.create("grace", "viewer", PASSWORD, author="root")
    users.change("grace", disabled=True, author="root")
    for name in ("ada", "nobody", "no name at all!", "grace"):
        assert users.authenticate(name, OTHER) is None
    assert users.authenticate("grace", PASSWORD) is None
    assert Counted.work == ["$argon2id$v=19$m=16,t=2,p=1"] * 5


def test_what_is_wrong_is_told_at_once_and_no_password_repeated(users: Users) -> None:
    with pytest.raises(UserError) as caught:
        users.create("no name", "root", "short", author="root")
    assert caught.value.mistakes == {
        "name": "expected up to 100 small letters, digits and any of . _ @ + -, such as ada or ada@example.com",
        "role": "expected viewer, editor, admin",
        "password": "expected 12 to 200 characters that can be printed",
    }
    for name in ("local", "anybody"):
        with pytest.raises(UserError, match="another one than"):
            users.create(name, "viewer", PASSWORD, author="root")
    for password in ("a" * 12, "ada@example.com", "x" * 201, "lone surrogate \ud800", "two\nlines of it"):
        with pytest.raises(UserError, match="password") as told:
            users.create("ada@example.com", "viewer", password, author="root")
        assert password not in str(told.value)
    assert users.users() == []


def test_a_name_is_taken_once(database: Database, clock: Clock) -> None:
    def create(number: int) -> bool:
        try:
            Users(database, clock, Passwords(QUICK)).create("ada", "viewer", PASSWORD, author=str(number))
        except UserConflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(create, range(4))) == 1


def test_who_edits_an_old_version_is_told(users: Users) -> None:
    users.create("ada", "viewer", PASSWORD, author="root")
    assert users.change("ada", role="editor", author="root", expected=1).version == 2
    with pytest.raises(UserConflict, match="at version 2, and not at 1"):
        users.change("ada", role="admin", author="eve", expected=1)
    with pytest.raises(UserConflict, match="at version 2, and not at 1"):
        users.set_password("ada", OTHER, author="eve", expected=1)
    assert users.change("ada", role="editor", author="root").version == 2, "nothing is changed"
    with pytest.raises(LookupError, match="there is no user grace"):
        users.change("grace", disabled=True, author="root")
    with pytest.raises(UserError, match="role"):
        users.change("ada", role="root", author="root")
    assert users.authenticate("ada", PASSWORD) is not None


def test_of_two_admins_who_leave_at_once_one_stays(database: Database, users: Users) -> None:
    for name in ("ada", "grace", "gone"):
        users.create(name, "admin", PASSWORD, author="root")
    users.change("gone", disabled=True, author="root")
    assert users.change("ada", role="admin", author="root").version == 1

    def leave(name: str) -> str:
        try:
            Users(database, passwords=Passwords(QUICK)).change(name, role="viewer", author=name)
        except UserConflict as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        refused = [told for told in pool.map(leave, ("ada", "grace")) if told]
    (last,) = (user.name for user in users.users() if user.is_active_admin)
    assert refused == [f"{last} is the last active admin; make somebody else an admin first"]


def test_a_session_is_known_to_every_sidecar(database_url: str, sessions: Sessions, users: Users, clock: Clock) -> None:
    token, session = signed_in(sessions, users.create("ada", "viewer", PASSWORD, author="root"))
    elsewhere = Sessions(Database(database_url), clock)
    assert elsewhere.find(token) == session
    for wrong in ("", token[:-1], token + "x", session.id, "\0", "é"):
        assert elsewhere.find(wrong) is None
    assert sessions.end(session.id, author="ada") == session
    assert elsewhere.find(token) is None
    assert sessions.end(session.id, author="ada") is None


def test_a_session_ends_when_it_is_not_used_and_after_a_week(sessions: Sessions, clock: Clock) -> None:
    token, session = sessions.start(Holder("grafana", key_prefix="abcd1234"))
    start = clock.now
    while clock.now < start + LONGEST_NS - 11 * HOUR_NS:
        clock.now += 11 * HOUR_NS
        assert sessions.find(token) is not None
    clock.now = start + LONGEST_NS - 1
    assert sessions.find(token) is not None
    clock.now += 1
    assert sessions.find(token) is None
    assert sessions.sessions() == []
    token, session = sessions.start(Holder("grafana", key_prefix="abcd1234"))
    assert [one.id for one in sessions.sessions(key_prefix="abcd1234")] == [session.id]
    clock.now += IDLE_NS - 1
    assert sessions.sessions() == [session]
    clock.now += 1
    assert sessions.find(token) is None


def test_what_is_over_is_forgotten(database: Database, sessions: Sessions, clock: Clock) -> None:
    sessions.start(Holder("a", key_prefix="a"))
    clock.now += IDLE_NS
    sessions.start(Holder("b", key_prefix="b"))
    with database.read() as connection:
        assert [row.key_prefix for row in connection.execute(select(SESSIONS))] == ["b"]


def test_another_password_ends_all_sessions_but_the_one_that_set_it(
    users: Users, sessions: Sessions, clock: Clock
) -> None:
    ada, grace = (users.create(name, "viewer", PASSWORD, author="root") for name in ("ada", "grace"))
    kept, other, hers = (signed_in(sessions, user) for user in (ada, ada, grace))
    changed = users.set_password("ada", OTHER, author="ada", keep=kept[1].id)
    found = sessions.find(kept[0])
    assert found is not None and found.password_set_at == changed.password_set_at != ada.password_set_at
    assert sessions.find(other[0]) is None
    assert sessions.find(hers[0]) is not None
    assert users.authenticate("ada", PASSWORD) is None
    assert users.authenticate("ada", OTHER) is not None
    users.set_password("ada", PASSWORD, author="root")
    assert sessions.sessions(user="ada") == []


def test_who_is_disabled_is_out(users: Users, sessions: Sessions, clock: Clock) -> None:
    token, _ = signed_in(sessions, users.create("ada", "editor", PASSWORD, author="root"))
    assert users.change("ada", disabled=True, author="root").disabled_at == clock.now
    assert sessions.find(token) is None
    assert users.authenticate("ada", PASSWORD) is None
    users.change("ada", disabled=False, author="root")
    assert users.authenticate("ada", PASSWORD) is not None
    assert sessions.find(token) is None


def test_signing_out_everywhere(sessions: Sessions, users: Users) -> None:
    user = users.create("ada", "viewer", PASSWORD, author="root")
    here, there = signed_in(sessions, user), signed_in(sessions, user)
    assert sessions.end_all(user="ada", author="ada", keep=here[1].id) == 1
    assert sessions.find(there[0]) is None and sessions.find(here[0]) is not None
    assert sessions.end_all(author="ada") == 0, "of nobody in particular is not of everybody"
    assert sessions.end_all(user="ada", author="ada") == 1


def test_all_of_it_is_in_the_audit_trail_and_no_secret_anywhere(
    database: Database, users: Users, sessions: Sessions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        user = users.create("ada", "viewer", PASSWORD, author="root", reason="new here")
        users.change("ada", role="editor", author="root", reason="trusted")
        token, session = signed_in(sessions, user)
        users.set_password("ada", OTHER, author="ada")
        token, session = signed_in(sessions, user)
        sessions.end(session.id, author="ada")
    entries, _ = AuditTrail(database).entries(AuditQuery())
    assert [(each.kind, each.action, each.author, each.reason) for each in reversed(entries)] == [
        ("user", "create", "root", "new here"), ("user", "change", "root", "trusted"),
        ("session", "sign_in", "ada", ""), ("user", "set_password", "ada", ""),
        ("session", "sign_in", "ada", ""), ("session", "sign_out", "ada", ""),
    ]  # fmt: skip
    with database.read() as connection:
        rows = [connection.execute(select(table)).all() for table in (USERS, SESSIONS)]
    said = repr(entries) + repr(rows) + caplog.text
    for secret in (PASSWORD, OTHER, token):
        assert secret not in said
    assert "argon2" not in repr(entries)


def test_a_hash_of_less_work_is_made_anew(database: Database, clock: Clock) -> None:
    Users(database, clock, Passwords(QUICK)).create("ada", "viewer", PASSWORD, author="root")
    users = Users(database, clock, Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)))
    assert users.authenticate("ada", OTHER) is None and users.authenticate("ada", PASSWORD) is not None
    with database.read() as connection:
        assert "m=16,t=2,p=1" in connection.execute(select(USERS.c.hash)).scalar_one()
    assert users.authenticate("ada", PASSWORD) is not None


def test_a_database_that_is_away_is_no_wrong_password(tmp_path: Path) -> None:
    away = Database(f"sqlite:///{tmp_path / 'empty.db'}")  # not migrated: there are no tables
    with pytest.raises(LedgerUnavailable):
        Users(away, passwords=Passwords(QUICK)).authenticate("ada", PASSWORD)
    with pytest.raises(LedgerUnavailable):
        Sessions(away).find("token")
