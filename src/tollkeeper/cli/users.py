"""`tollkeeper users …`: who may sign in to the web page, as what, and who is."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Sequence
from typing import get_args

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.connection import Do, add_verb, answer, run
from tollkeeper.cli.tables import table, when
from tollkeeper.client import people as asks
from tollkeeper.client.people import Ended, Role, Sessions, User, Users

ROLES = get_args(Role)
MEANING = "viewer: to look (default); editor: that, and to change prices, limits and the like; admin: everything"


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="tollkeeper users",
        description=__doc__,
        epilog="A password is asked for; where nobody sits at a terminal, it is the first line of standard input.",
    )
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    add_verb(verbs, "list", "all users, those who may not sign in any more too", _list)
    create = add_verb(verbs, "create", "a new user; asks for the password", _create)
    create.add_argument("name", help="as they sign in: small letters, digits and any of . _ @ + -")
    create.add_argument("--role", choices=ROLES, default="viewer", help=MEANING)
    change = add_verb(verbs, "set", "another role; it holds at once", _set)
    change.add_argument("name")
    change.add_argument("--role", choices=ROLES, required=True, help=MEANING)
    password = add_verb(verbs, "password", "another password; it ends their sessions", _password)
    password.add_argument("name")
    disable = add_verb(verbs, "disable", "they cannot sign in any more, and are out at once", _disable)
    enable = add_verb(verbs, "enable", "they may sign in again", _enable)
    shown = add_verb(verbs, "sessions", "who is signed in, since when, and from where", _sessions)
    shown.add_argument("name", nargs="?", help="of this user only")
    out = add_verb(verbs, "sign-out", "a user has to sign in anew, everywhere; or one session is ended", _sign_out)
    out.add_argument("name", nargs="?")
    out.add_argument("--session", metavar="ID", help="only this one, as `users sessions` shows it")
    for one in (disable, enable):
        one.add_argument("name")
    for one in (create, change, password, disable, enable, out):
        one.add_argument("--reason", help="for the audit trail")
    for one in (change, password, disable, enable):
        one.add_argument("--expected", type=int, metavar="VERSION", help="refuse if they are not at this version")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("users", parser(), arguments)


def _list(options: argparse.Namespace) -> int:
    return answer(options, asks.users(), _show_users)


def _create(options: argparse.Namespace) -> int:
    ask = asks.create_user(options.name, _asked_password(options.name), options.role, reason=options.reason)
    return answer(options, ask, _told("may sign in"))


def _set(options: argparse.Namespace) -> int:
    ask = asks.change_user(options.name, role=options.role, reason=options.reason, expected=options.expected)
    return answer(options, ask, _told("is set"))


def _password(options: argparse.Namespace) -> int:
    password = _asked_password(options.name)
    ask = asks.set_user_password(options.name, password, reason=options.reason, expected=options.expected)
    return answer(options, ask, _told("has another password, and has to sign in anew"))


def _switched(active: bool, words: str) -> Do:
    def do(options: argparse.Namespace) -> int:
        ask = asks.change_user(options.name, active=active, reason=options.reason, expected=options.expected)
        return answer(options, ask, _told(words))

    return do


_disable = _switched(False, "cannot sign in any more")
_enable = _switched(True, "may sign in")


def _sessions(options: argparse.Namespace) -> int:
    return answer(options, asks.sessions(user=options.name), _show_sessions)


def _sign_out(options: argparse.Namespace) -> int:
    if (options.session is None) == (options.name is None):
        raise ValueError("either a user's name or --session ID")
    if options.session is not None:
        ask = asks.end_session(options.session, reason=options.reason)
    else:
        ask = asks.end_user_sessions(options.name, reason=options.reason)
    return answer(options, ask, _show_ended)


def _asked_password(name: str) -> str:
    """From whoever sits here, twice; else from standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("The same once more: ") != password:
        raise ValueError("these were two different passwords; nothing was changed")
    return password


def _told(words: str) -> Callable[[Console, User], None]:
    def show(screen: Console, user: User) -> None:
        screen.print(Text(f"{user.name}, {user.role}, {words}. Version {user.version}."))

    return show


def _show_users(screen: Console, found: Users) -> None:
    columns = ("User", "Role", "Version", "Created", "By", "Password set", "Last signed in", "State")
    rows = [
        (user.name, user.role, f"{user.version}", when(user.created_at), user.created_by, when(user.password_set_at),
         when(user.last_signed_in_at) or "never", Text("active", "green") if user.active else Text("disabled", "red"))
        for user in found.users
    ]  # fmt: skip
    screen.print(table(columns, rows) if rows else "There are no users. `tollkeeper users create NAME` makes one.")


def _show_sessions(screen: Console, found: Sessions) -> None:
    columns = ("Session", "Who", "Since", "Last seen", "Until", "From", "Browser")
    rows = [
        (each.id, each.user or f"key tk_{each.key_prefix}", when(each.created_at), when(each.last_seen_at),
         when(each.expires_at), each.address, each.agent)
        for each in found.sessions
    ]  # fmt: skip
    screen.print(table(columns, rows) if rows else "Nobody is signed in.")


def _show_ended(screen: Console, ended: Ended) -> None:
    screen.print("1 session is over." if ended.sessions == 1 else f"{ended.sessions} sessions are over.")
