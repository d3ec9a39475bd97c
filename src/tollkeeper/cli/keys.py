"""`tollkeeper keys …`: who may use the API. With --ledger, straight in the database, for when there is no key yet."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.text import Text

from tollkeeper.cli.connection import add_connection, answer, console, run
from tollkeeper.cli.tables import table, when
from tollkeeper.client import administration as asks
from tollkeeper.client.records import CreatedKey, Key, Keys
from tollkeeper.storage.access_keys import SCOPES, AccessKey, AccessKeys
from tollkeeper.storage.database import Database

NANOSECONDS = 1_000_000_000


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper keys", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    create = verbs.add_parser("create", help="a new key, shown this once")
    create.add_argument("name", help="whose it is")
    create.add_argument(
        "--scope", action="append", choices=SCOPES,
        help="read: to ask (default); write: that, and to send usage; edit: that, and to change prices, limits"
        " and the like; admin: that, and to change keys, users and channels",
    )  # fmt: skip
    create.add_argument("--expires-in-days", type=int, metavar="DAYS", help="never, if not given")
    shown = verbs.add_parser("list", help="all keys, without what they open the door with")
    revoke = verbs.add_parser("revoke", help="make a key useless, at once and for ever")
    revoke.add_argument("prefix", help="what it begins with, as `keys list` shows it")
    for one, do in ((create, _create), (shown, _list), (revoke, _revoke)):
        one.add_argument(
            "--ledger", metavar="URL", help="sqlite:///FILE or postgresql://…: no sidecar and no key needed"
        )
        one.set_defaults(do=do)
        add_connection(one)
    for one in (create, revoke):
        one.add_argument("--reason", default="", help="for the audit trail")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("keys", parser(), arguments)


def _create(options: argparse.Namespace) -> int:
    scopes = options.scope or ["read"]
    if options.ledger is None:
        ask = asks.create_key(
            options.name, scopes, expires_in_days=options.expires_in_days, reason=options.reason or None
        )
        return answer(options, ask, _show_created)
    expires = options.expires_in_days and datetime.now(UTC) + timedelta(days=options.expires_in_days)
    text, key = _keys_in(options.ledger).create(
        options.name, scopes, author=_author(), reason=options.reason,
        expires_at=int(expires.timestamp()) * NANOSECONDS if expires else None,
    )  # fmt: skip
    return _told(options, CreatedKey(**_shown(key), key=text), _show_created)


def _list(options: argparse.Namespace) -> int:
    if options.ledger is None:
        return answer(options, asks.keys(), _show_keys)
    found = [Key(**_shown(key)) for key in _keys_in(options.ledger).keys()]  # noqa: SIM118  not a mapping
    return _told(options, Keys(keys=found), _show_keys)


def _revoke(options: argparse.Namespace) -> int:
    prefix = options.prefix.removeprefix("tk_").partition("_")[0]
    if options.ledger is None:
        return answer(options, asks.revoke_key(prefix, reason=options.reason or None), _show_revoked)
    try:
        key = _keys_in(options.ledger).revoke(prefix, author=_author(), reason=options.reason)
    except LookupError as error:
        raise ValueError(str(error)) from None
    return _told(options, Key(**_shown(key)), _show_revoked)


def _keys_in(url: str) -> AccessKeys:
    database = Database(url)
    database.migrate()
    return AccessKeys(database)


def _author() -> str:
    """Who sits at this terminal, for the audit trail."""
    try:
        return f"{getpass.getuser()} at a terminal"
    except OSError:  # a user without a name, as in some containers
        return "a terminal"


def _shown(key: AccessKey) -> dict[str, Any]:
    now = datetime.now(UTC)
    moments = ("created_at", "expires_at", "revoked_at", "last_used_at")
    values = key._asdict()
    return {
        **values,
        "scopes": list(key.scopes),
        "active": key.is_good(int(now.timestamp()) * NANOSECONDS),
        **{name: None if values[name] is None else datetime.fromtimestamp(values[name] // NANOSECONDS, UTC)
           for name in moments},
    }  # fmt: skip


def _told(options: argparse.Namespace, found: Any, show: Any) -> int:
    if options.json:
        print(json.dumps(_plain(found), default=lambda moment: when(moment).replace(" ", "T")))
    else:
        show(console(), found)
    return 0


def _plain(found: Any) -> Any:
    return {"keys": [_fields_of(key) for key in found.keys]} if isinstance(found, Keys) else _fields_of(found)


def _fields_of(key: Key) -> dict[str, Any]:
    return {each.name: getattr(key, each.name) for each in fields(key)}


def _show_created(screen: Console, key: CreatedKey) -> None:
    print(key.key)
    print(f"{_described(key)}. It is shown this once: keep it safe.", file=sys.stderr)


def _show_revoked(screen: Console, key: Key) -> None:
    screen.print(Text(f"{_described(key)} opens nothing any more."))


def _described(key: Key) -> str:
    until = f", until {when(key.expires_at)}" if key.expires_at else ""
    return f"The key tk_{key.prefix} of {key.name!r}, for {', '.join(key.scopes)}{until}"


def _show_keys(screen: Console, found: Keys) -> None:
    columns = ("Key", "Name", "Scopes", "Created", "By", "Expires", "Last used", "State")
    rows = [
        (f"tk_{key.prefix}", key.name, ", ".join(key.scopes), when(key.created_at), key.created_by,
         when(key.expires_at) or "never", when(key.last_used_at) or "never", _state(key))
        for key in found.keys
    ]  # fmt: skip
    screen.print(table(columns, rows) if rows else "There are no keys.")


def _state(key: Key) -> Text:
    if key.active:
        return Text("active", "green")
    return Text("revoked" if key.revoked_at else "expired", "red")
