"""`tollkeeper channels …`: where alerts are told. What became of a try is the exit code: 0 if the message was taken."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from tollkeeper.alerting.channel import DIGESTS, KINDS, VIAS, Channel, ChannelError, document_of, read_channels
from tollkeeper.alerting.schedule import read_report_schedules
from tollkeeper.cli.connection import add_verb, answer, console, run
from tollkeeper.cli.reading import reading
from tollkeeper.cli.tables import table
from tollkeeper.client import Client
from tollkeeper.client import alerting as asks
from tollkeeper.client.alerting import Channels, ChannelState, Tried
from tollkeeper.model.finding import SEVERITIES

TRY_SECONDS = 60.0
"""A service may take half a minute to answer."""
OUTCOMES = {"sent": "green", "failed": "yellow", "refused": "red"}
FIELDS = ("kind", "secret", "at_least", "repeat", "title", "body", "via", "digest")


_reading = reading("channels", ChannelError)


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="tollkeeper channels", description=__doc__)
    verbs = flags.add_subparsers(required=True, metavar="VERB")
    add_verb(verbs, "list", "all of them; without a verb, this is meant", _list)
    _named(add_verb(verbs, "show", "one of them, without its secrets", _show))
    _add_set(verbs)
    gone = add_verb(verbs, "remove", "tell nobody there any more", _remove)
    _named(gone).add_argument("--reason", help="for the audit trail")
    _named(add_verb(verbs, "test", "send an example there now, and say what became of it", _test))
    check = verbs.add_parser("check", help="its channels; or everything that is wrong with a file, and exit code 2")
    check.add_argument("file", type=Path, help="TOML")
    check.set_defaults(do=_reading(_check))
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    return run("channels", parser(), arguments, meant="list")


def _add_set(verbs: Any) -> None:
    meaning = "set one by options, or all of a file; secrets are references, env:NAME or file:/path, of the sidecar's"
    put = add_verb(verbs, "set", meaning, _reading(_set))
    put.add_argument("name", help="of the channel; or a file of channels, if it ends with .toml")
    put.add_argument("--to", metavar="URL", help="the channel's url, such as env:SLACK_WEBHOOK")
    put.add_argument("--kind", choices=KINDS, help="apprise, if nothing is said")
    put.add_argument("--secret", help="the key that a webhook is signed with")
    put.add_argument("--at-least", choices=SEVERITIES, help="the mildest that is told (info)")
    put.add_argument("--only", action="append", default=[], metavar="NAME=GLOB", help="such as tenant=acme")
    put.add_argument("--repeat", help="how often it is told again of what is critical: 4h, or 0 for never (1h)")
    put.add_argument("--no-resolved", action="store_true", help="it is not told when something is over")
    put.add_argument("--title", help="a template in place of the title")
    put.add_argument("--body", help="a template in place of the text")
    put.add_argument("--via", choices=VIAS, help="alertmanager: it is told by an Alertmanager, and not by the sidecar")
    put.add_argument("--digest", choices=DIGESTS, help="a summary as well")
    put.add_argument("--reason", help="for the audit trail")


def _named(verb: argparse.ArgumentParser) -> argparse.ArgumentParser:
    verb.add_argument("name", help="of the channel")
    return verb


def _list(options: argparse.Namespace) -> int:
    return answer(options, asks.channels(), _print_channels)


def _show(options: argparse.Namespace) -> int:
    return answer(options, asks.channel(options.name), _print_channel)


def _set(options: argparse.Namespace) -> int:
    if options.name.endswith(".toml"):
        for channel in read_channels(Path(options.name).read_bytes(), options.name):
            document = {name: value for name, value in document_of(channel).items() if value is not None}
            answer(options, asks.set_channel(channel.name, document, reason=options.reason), _print_set)
        return 0
    return answer(options, asks.set_channel(options.name, _document(options), reason=options.reason), _print_set)


def _document(options: argparse.Namespace) -> Mapping[str, Any]:
    only: dict[str, list[str]] = {}
    for text in options.only:
        name, separator, glob = text.partition("=")
        if not name or not separator:
            raise ValueError(f"--only is {text!r}; expected NAME=GLOB, such as tenant=acme")
        only.setdefault(name, []).append(glob)
    said = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    if options.to is not None:
        said["url"] = options.to
    if said.get("repeat", "").isdigit():
        said["repeat"] = int(said["repeat"])
    return said | ({"only": only} if only else {}) | ({"resolved": False} if options.no_resolved else {})


def _remove(options: argparse.Namespace) -> int:
    return answer(options, asks.remove_channel(options.name, reason=options.reason), _print_removed)


def _test(options: argparse.Namespace) -> int:
    ask = asks.test_channel(options.name)
    with Client(options.url, options.key, TRY_SECONDS) as client:
        if options.json:
            said = client.fetch(ask)
            print(said)
            outcome = json.loads(said)["outcome"]
        else:
            tried = client.send(ask)
            outcome = tried.outcome
            _print_tried(console(), tried)
    return 0 if outcome == "sent" else 1


def _check(options: argparse.Namespace) -> int:
    content = options.file.read_bytes()
    channels = read_channels(content, str(options.file))
    reports = len(read_report_schedules(content, str(options.file)))
    wrong = [f"{options.file}: channels.{channel.name}.{said}" for channel in channels for said in _templates(channel)]
    if wrong:
        raise ChannelError("\n".join(wrong))
    number = len(channels)
    told = f"{options.file}: {number} channel{'' if number == 1 else 's'}"
    console().print(Text(f"{told}, {reports} report{'' if reports == 1 else 's'}" if reports else told, "green"))
    return 0


def _templates(channel: Channel) -> list[str]:
    if channel.title is None and channel.body is None:
        return []
    try:
        from tollkeeper.sidecar.notify.messages import check_templates  # noqa: PLC0415  it needs Jinja
    except ModuleNotFoundError as missing:
        raise ValueError(f"to check templates, {missing.name} is needed: pip install 'tollkeeper[sidecar]'") from None
    return check_templates(channel)


def _print_channels(screen: Console, found: Channels) -> None:
    rows = [
        (one.name, one.kind, one.url, one.at_least, _only(one), one.via, one.digest or "",
         "the file" if one.read_only else "", Text(one.trouble.detail if one.trouble else "", "red"))
        for one in found.channels
    ]  # fmt: skip
    columns = ("Channel", "Kind", "To", "At least", "Only", "Via", "Digest", "Set in", "Trouble")
    screen.print(table(columns, rows) if rows else "No channels: nobody is told of anything.")


def _only(channel: ChannelState) -> str:
    return " ".join(f"{name}={'|'.join(globs)}" for name, globs in channel.only.items()) or "everything"


def _print_channel(screen: Console, channel: ChannelState) -> None:
    told = "the sidecar's file, and is changed there" if channel.read_only else "the API"
    said = {
        "kind": channel.kind, "url": channel.url, "secret": channel.secret, "at_least": channel.at_least,
        "only": _only(channel), "repeat": f"{channel.repeat} s" if channel.repeat else "never",
        "resolved": "told" if channel.resolved else "not told", "via": channel.via, "digest": channel.digest,
        "title": channel.title, "body": channel.body, "set in": told,
        "trouble": channel.trouble.detail if channel.trouble else None,
    }  # fmt: skip
    rows = [(name, value) for name, value in said.items() if value is not None]
    screen.print(table((channel.name, ""), rows))


def _print_tried(screen: Console, tried: Tried) -> None:
    screen.print(Text.assemble((tried.outcome, OUTCOMES[tried.outcome]), f": {tried.detail}"))
    screen.print(f"\n{tried.title}\n\n{tried.message}")


def _print_set(screen: Console, channel: ChannelState) -> None:
    screen.print(Text(f"{channel.name} is set: {channel.kind}, {channel.url}", "green"))


def _print_removed(screen: Console, channel: ChannelState) -> None:
    screen.print(Text(f"{channel.name} is removed.", "green"))
