"""`tollkeeper users`, as somebody at a terminal sees it."""

from __future__ import annotations

import io
import json

import pytest

from cli.telling import Tell
from sidecar.api.world import World
from tollkeeper.cli import users
from tollkeeper.storage.sessions import Holder

PASSWORD = "correct horse battery"


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def typed(monkeypatch: pytest.MonkeyPatch, *passwords: str) -> None:
    """Somebody sits there."""
    answers = iter(passwords)
    monkeypatch.setattr(users.sys, "stdin", Terminal())
    monkeypatch.setattr(users.getpass, "getpass", lambda _: next(answers))


def test_the_last_admin_stays(world: World, tollkeeper: Tell) -> None:
    world.users.create("ada", "admin", PASSWORD, author="tests")
    for leaving in (("disable", "ada"), ("set", "ada", "--role", "viewer")):
        told = tollkeeper("users", *leaving)
        assert told.code and "ada is the last active admin; make somebody else an admin first" in told.err


def test_a_user_from_the_first_day_to_the_last(world: World, tollkeeper: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tollkeeper("users", "list").out == "There are no users. `tollkeeper users create NAME` makes one.\n"
    typed(monkeypatch, PASSWORD, PASSWORD)
    assert tollkeeper("users", "create", "ada", "--reason", "new").out == "ada, viewer, may sign in. Version 1.\n"
    assert world.users.authenticate("ada", PASSWORD) is not None
    assert tollkeeper("users", "set", "ada", "--role", "editor").out == "ada, editor, is set. Version 2.\n"
    monkeypatch.setattr(users.sys, "stdin", io.StringIO("staple of all trades\n"))
    assert "has another password" in tollkeeper("users", "password", "ada").out
    user = world.users.authenticate("ada", "staple of all trades")
    assert user is not None
    world.sessions.start(Holder("ada", "ada", user.password_set_at), address="203.0.113.9", agent="a browser")
    (row,) = tollkeeper("users", "sessions").rows
    assert row[1] == "ada" and row[-2:] == ["203.0.113.9", "a browser"]
    assert tollkeeper("users", "sign-out", "--session", row[0]).out == "1 session is over.\n"
    assert tollkeeper("users", "sign-out", "ada").out == "0 sessions are over.\n"
    assert "cannot sign in" in tollkeeper("users", "disable", "ada", "--expected", "3").out
    (row,) = tollkeeper("users", "list").rows
    assert (row[0], row[1], row[2], row[-1]) == ("ada", "editor", "4", "disabled")
    assert "may sign in" in tollkeeper("users", "enable", "ada").out
    assert json.loads(tollkeeper("users", "list", "--json").out)["users"][0]["active"] is True


def test_what_is_wrong_is_told(tollkeeper: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, PASSWORD, PASSWORD + "x")
    said = tollkeeper("users", "create", "ada")
    assert said.code == 1 and "two different passwords" in said.err and PASSWORD not in said.err
    monkeypatch.setattr(users.sys, "stdin", io.StringIO(""))
    assert "password is not as it should be; expected 12 to 200" in tollkeeper("users", "create", "ada").err
    assert "there is no user 'ada'" in tollkeeper("users", "set", "ada", "--role", "admin").err
    assert "either a user's name or --session" in tollkeeper("users", "sign-out").err
