"""A channel: where alerts are told, which of them, and how often; as a file, an API or a command says it.

    [channels.finance]
    url = "env:SLACK_WEBHOOK"                    # a reference: looked up whenever something is sent
    at_least = "warning"
    only = { limit = "daily*", tenant = ["acme", "globex"] }

A reference is `env:NAME` or `file:/path`. Anything else is what it says. Only a file on the sidecar's own machine may
have secrets in it, and name Python functions.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, NamedTuple, get_args

from tollkeeper.alerting.duration import seconds_of
from tollkeeper.alerting.schemes import SCHEMES
from tollkeeper.model.finding import FINDING_KINDS, SEVERITIES, Finding, Severity, worse_than
from tollkeeper.model.limit import PER
from tollkeeper.policy.mistakes import Mistakes, PolicyError, Table, choice, nearest, spelled
from tollkeeper.policy.toml_lines import lines_of

Kind = Literal["apprise", "slack", "webhook", "alertmanager", "python"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Via = Literal["direct", "alertmanager"]
VIAS: Final[tuple[Via, ...]] = get_args(Via)
Digest = Literal["daily", "weekly"]
DIGESTS: Final[tuple[Digest, ...]] = get_args(Digest)

REPEAT: Final = 3600
LONGEST_REPEAT: Final = 30 * 86_400
LONGEST_TEMPLATE: Final = 10_000
LONGEST_URL: Final = 4096
HIDDEN: Final = "…"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCHEME = re.compile(r"([A-Za-z0-9][A-Za-z0-9+.-]*)://.")
_WEB = re.compile(r"(https?)://(?:([^/?#@]*)@)?([^/?#@:\[\]\s]+|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?(?:[/?]\S*)?")
"""An address: its scheme, user and password, host, and port."""
_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class ChannelError(ValueError):
    """Everything that is wrong with channels, a line each: where, what it says, what was expected. Shows no secret.

    `expected` is what was expected, by the fields that are wrong, such as `only.kind`; the name of a channel is `""`.
    """

    def __init__(self, text: str, expected: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.expected = expected or {}


class _Option(NamedTuple):
    meaning: str
    default: str = ""


OPTIONS: Final[Mapping[str, _Option]] = {
    "kind": _Option("`apprise`, `slack`, `webhook`, `alertmanager` or `python`.", "`apprise`"),
    "url": _Option("Where to; of a Python function, `module:function`. A reference, or what it says."),
    "secret": _Option("The key that a webhook is signed with. A reference, or what it says."),
    "at_least": _Option("The mildest that is told: `info`, `warning`, `critical` or `emergency`.", "`info`"),
    "only": _Option("Globs, or lists of them, by `kind`, `limit`, and what limits are for, such as `tenant`.", "all"),
    "repeat": _Option("After how long it is told again of what is critical: `4h`, or seconds; 0 is never.", "`1h`"),
    "resolved": _Option("Whether it is told when something is over.", "`true`"),
    "title": _Option("A template in place of the title.", "ours"),
    "body": _Option("A template in place of the text.", "ours"),
    "via": _Option("`alertmanager`: the sidecar sends nothing here, as Alertmanager does.", "`direct`"),
    "digest": _Option("`daily` or `weekly`: a summary as well.", "none"),
}
"""Each field of a channel, what it means, and its default in words."""

SELECTORS: Final = ("kind", "limit", *PER)
"""What `only` may ask for."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where alerts are told. `url` and `secret` are as they were written: a reference, or what it says.

    `only`: globs by the finding's `kind`, its `limit` (the finding's subject) and its scope. `repeat`: after how many
    seconds it is told again of what goes on; 0 is never. `title` and `body` are templates. `via`: one of
    `alertmanager` is told by an Alertmanager, and not by us.
    """

    name: str
    kind: Kind
    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    at_least: Severity = "info"
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    repeat: int = REPEAT
    resolved: bool = True
    title: str | None = None
    body: str | None = None
    via: Via = "direct"
    digest: Digest | None = None


def wants(channel: Channel, finding: Finding, via: Via) -> bool:
    """Whether a channel that is told by this way is to be told of a finding."""
    if channel.via != via or worse_than(channel.at_least, finding.severity):
        return False
    said = finding.said
    return all(any(fnmatchcase(said.get(name, ""), glob) for glob in globs) for name, globs in channel.only.items())


def is_reference(value: str) -> bool:
    """Whether it says where to look something up, and not the thing itself."""
    return value.startswith(("env:", "file:"))


def read_channels(document: bytes, name: str) -> tuple[Channel, ...]:
    """The channels of a TOML file of this name. Raises `ChannelError`; its mistakes have lines."""
    try:
        text = document.decode("utf-8-sig")
        tables = tomllib.loads(text)
        lines = lines_of(text)
    except UnicodeDecodeError as error:
        raise ChannelError(f"{name}: not UTF-8: {error.reason} at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise ChannelError(f"{name}: not valid TOML: {error}") from None
    mistakes = Mistakes(name, lines)
    top = Table(tables, (), mistakes)
    _know(top, ("channels", "reports"), "table")
    channels = top.table("channels", "tables, each headed [channels.NAME]")
    made = [
        _channel(channels.table(key, f"a table, headed [channels.{key}]"), key, trusted=True)
        for key in channels.content
    ]
    _finish(mistakes)
    return tuple(made)


def channel_of(table: Mapping[str, Any], name: str, *, trusted: bool = False) -> Channel:
    """The channel that a JSON object says. Raises `ChannelError`.

    `trusted` is what an administrator of the sidecar's own machine has written: it may have secrets in it, and name
    functions that are run.
    """
    mistakes = Mistakes(f"channel {name!r}", {})
    channel = _channel(Table(table, (), mistakes), name, trusted)
    _finish(mistakes)
    return channel


def document_of(channel: Channel) -> dict[str, Any]:
    """A channel as `channel_of` reads it, secrets and all: to be kept, never shown."""
    return {
        "kind": channel.kind,
        "url": channel.url,
        "secret": channel.secret,
        "at_least": channel.at_least,
        "only": {name: list(globs) for name, globs in channel.only.items()},
        "repeat": channel.repeat,
        "resolved": channel.resolved,
        "title": channel.title,
        "body": channel.body,
        "via": channel.via,
        "digest": channel.digest,
    }


def table_of(channel: Channel) -> dict[str, Any]:
    """A channel to be shown: of secrets, the reference, or `…`."""
    url = channel.url if channel.kind == "python" else _masked(channel.url)
    return document_of(channel) | {"url": url, "secret": channel.secret and _masked(channel.secret)}


def _masked(value: str) -> str:
    if is_reference(value):
        return value
    if web := _WEB.fullmatch(value):
        port = f":{web[4]}" if web[4] else ""
        return f"{web[1]}://{web[3]}{port}/{HIDDEN}"
    scheme = _SCHEME.match(value)
    return f"{scheme[1]}://{HIDDEN}" if scheme else HIDDEN


def _finish(mistakes: Mistakes) -> None:
    try:
        mistakes.finish()
    except PolicyError as found:
        expected = {spelled(place): what for place, what in mistakes.expected.items()}
        raise ChannelError(str(found), expected) from None


def _know(table: Table, names: tuple[str, ...], what: str) -> None:
    """As `Table.know`, without the values: a secret may be under a name that is misspelt."""
    for key in table.content:
        if key not in names:
            table.mistakes.note((*table.place, key), HIDDEN, f"a known {what}; {nearest(key, names)}")


def _channel(table: Table, name: str, trusted: bool) -> Channel:
    if not _NAME.fullmatch(name):
        expected = "a name of up to 64 letters, digits, '-', '_' and '.', that begins with a letter or a digit"
        table.mistakes.note(table.place, name, expected)
    _know(table, tuple(OPTIONS), "field")
    default_kind: Kind = "apprise"
    kind = table.read("kind", choice(*KINDS), default_kind)
    url = _secret(table, "url", _URLS[kind], _may_say(kind, trusted))
    secret = _secret(table, "secret", _key, None if trusted else "a reference, env:NAME or file:/path")
    if "secret" in table and kind != "webhook":
        table.mistakes.note((*table.place, "secret"), HIDDEN, "none: only a webhook is signed")
    if "url" not in table:
        table.note("url", _SUCH_AS[kind])
    default_via: Via = "alertmanager" if kind == "alertmanager" else "direct"
    via = table.read("via", choice(*VIAS), default_via)
    if kind == "alertmanager" and via != default_via:
        table.note("via", "'alertmanager', as it is one")
    digest = table.read("digest", choice(*DIGESTS))
    if kind == "alertmanager" and digest is not None:
        table.note("digest", "none: Alertmanager is told of alerts only")
    return Channel(
        name=name,
        kind=kind,
        url=url or "",
        secret=secret,
        at_least=table.read("at_least", choice(*SEVERITIES), "info"),
        only=_only(table.table("only", 'a table such as { tenant = "acme", limit = "daily*" }')),
        repeat=table.read("repeat", _seconds, REPEAT),
        resolved=table.read("resolved", _boolean, True),
        title=table.read("title", _template),
        body=table.read("body", _template),
        via=via,
        digest=digest,
    )


def _may_say(kind: Kind, trusted: bool) -> str | None:
    """What must be there in place of a literal URL; `None`, where one may be."""
    if trusted or kind in ("webhook", "alertmanager"):
        return None
    if kind == "python":
        return "another kind: a Python function can be named in the sidecar's own file only"
    return "a reference, env:NAME or file:/path, as the URL is a secret"


def _secret(table: Table, key: str, read: Callable[[str], str], instead: str | None) -> str | None:
    """A field that no message may show."""
    value = table.content.get(key)
    if value is None:
        return None
    expected = "a text"
    if isinstance(value, str):
        try:
            if is_reference(value):
                return _reference(value)
            if instead is None:
                return read(value)
            expected = instead
        except ValueError as wrong:
            expected = str(wrong)
    shown = _masked(value) if isinstance(value, str) else HIDDEN
    table.mistakes.note((*table.place, key), shown, expected)
    return None


def _reference(value: str) -> str:
    scheme, _, rest = value.partition(":")
    if scheme == "env" and _ENVIRONMENT_NAME.fullmatch(rest):
        return value
    if scheme == "file" and re.match(r"/[^/]", rest) and rest.isprintable():
        return value
    raise ValueError("env:NAME, of an environment variable, or file:/path, from the root")


def _apprise_url(value: str) -> str:
    scheme = _SCHEME.match(value)
    if scheme is None or len(value) > LONGEST_URL or not value.isprintable():
        raise ValueError(_SUCH_AS["apprise"])
    # Slack, Discord, Teams and others hand out https addresses, which apprise knows for what they are.
    name = scheme[1].lower()
    if name != "https" and name not in SCHEMES:
        near = get_close_matches(name, sorted(SCHEMES), n=1)
        instead = f"did you mean {near[0]}://?" if near else "for an address of your own, kind = 'webhook'"
        raise ValueError(f"a service that may be used, such as mailto, slack or pagerduty; {instead}")
    return value


def _http_url(value: str) -> str:
    found = _WEB.fullmatch(value) if len(value) <= LONGEST_URL and value.isprintable() else None
    if found is None or int(found[4] or 1) > 65535:
        raise ValueError("an address such as https://host/path")
    if found[2] is not None:
        raise ValueError("an address without a user and password in it; with them, a reference, env:NAME or file:/path")
    return value


def _base_url(value: str) -> str:
    if "?" in value:
        raise ValueError(_SUCH_AS["alertmanager"])
    return _http_url(value)


def _function(value: str) -> str:
    if not _FUNCTION.fullmatch(value):
        raise ValueError(_SUCH_AS["python"])
    return value


def _key(value: str) -> str:
    if len(value) < 16 or not value.isprintable():
        raise ValueError("a reference, env:NAME or file:/path, or a key of 16 characters at least")
    return value


_URLS: Final[Mapping[Kind, Callable[[str], str]]] = {
    "apprise": _apprise_url,
    "slack": _http_url,
    "webhook": _http_url,
    "alertmanager": _base_url,
    "python": _function,
}
_SUCH_AS: Final[Mapping[Kind, str]] = {
    "apprise": "a reference, env:NAME or file:/path, or a URL of apprise such as mailto://user:password@host",
    "slack": "a reference, env:NAME or file:/path, or an address such as https://hooks.slack.com/services/…",
    "webhook": "an address such as https://host/path, or a reference, env:NAME or file:/path",
    "alertmanager": "an address such as http://alertmanager:9093, or a reference, env:NAME or file:/path",
    "python": "a function, module:function",
}


def _only(table: Table) -> Mapping[str, tuple[str, ...]]:
    table.know(SELECTORS, "selector")
    return {
        name: globs
        for name in table.content
        if name in SELECTORS and (globs := table.read(name, _kinds if name == "kind" else _globs))
    }


def _globs(value: Any) -> tuple[str, ...]:
    globs = value if isinstance(value, list) else [value]
    if globs and all(isinstance(glob, str) and glob and glob.isprintable() for glob in globs):
        return tuple(globs)
    raise ValueError('a glob such as "gpt-4*", or a list of them')


def _kinds(value: Any) -> tuple[str, ...]:
    globs = _globs(value)
    for glob in globs:
        if not any(fnmatchcase(kind, glob) for kind in FINDING_KINDS):
            raise ValueError(f"one of {', '.join(FINDING_KINDS)}")
    return globs


def _seconds(value: Any) -> int:
    expected = 'a time such as "30m", "4h" or "1d", or seconds; from a minute to 30 days, or 0 for never'
    try:
        seconds = seconds_of(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(expected) from None
    is_whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if is_whole and (seconds == 0 or 60 <= seconds <= LONGEST_REPEAT):
        return int(seconds)
    raise ValueError(expected)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _template(value: Any) -> str:
    if isinstance(value, str) and value.strip() and len(value) <= LONGEST_TEMPLATE:
        return value
    raise ValueError(f"a template, of {LONGEST_TEMPLATE:,} characters at the most")
