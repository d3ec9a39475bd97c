"""Channels as they are written: all mistakes at once, each with its place, and never a secret."""

from __future__ import annotations

from typing import Any

import pytest

from tollkeeper.alerting.channel import (
    OPTIONS,
    Channel,
    ChannelError,
    channel_of,
    document_of,
    read_channels,
    table_of,
    wants,
)
from tollkeeper.alerting.schemes import SCHEMES
from tollkeeper.model.finding import Finding

SECRET = "s3cr3t-s3cr3t-s3cr3t"

FILE = b"""\
[channels.team]
url = "env:SLACK"

[channels."on-call.2"]
url = "pagerduty://key@other"
at_least = "critical"
only = { limit = "daily*", tenant = ["acme", "globex"] }
repeat = "4h"
resolved = false
digest = "weekly"

[channels.ledger]
kind = "webhook"
url = "https://example.com/alerts?team=7"
secret = "file:/run/secrets/alerts"
title = "{{ severity }}"
body = \"\"\"
{{ limit }}
\"\"\"
via = "alertmanager"
repeat = 0

[channels.cluster]
kind = "alertmanager"
url = "http://alertmanager:9093"

[channels.ours]
kind = "python"
url = "our.alerts:tell"
"""


def test_a_file_says_channels() -> None:
    assert read_channels(FILE, "channels.toml") == (
        Channel("team", "apprise", "env:SLACK"),
        Channel(
            "on-call.2",
            "apprise",
            "pagerduty://key@other",
            at_least="critical",
            only={"limit": ("daily*",), "tenant": ("acme", "globex")},
            repeat=14_400,
            resolved=False,
            digest="weekly",
        ),
        Channel(
            "ledger",
            "webhook",
            "https://example.com/alerts?team=7",
            secret="file:/run/secrets/alerts",
            title="{{ severity }}",
            body="{{ limit }}\n",
            via="alertmanager",
            repeat=0,
        ),
        Channel("cluster", "alertmanager", "http://alertmanager:9093", via="alertmanager"),
        Channel("ours", "python", "our.alerts:tell"),
    )
    assert read_channels(b"", "channels.toml") == ()


def test_what_is_read_can_be_written_and_read_again() -> None:
    for channel in read_channels(FILE, "channels.toml"):
        assert set(document_of(channel)) == set(OPTIONS)
        assert channel_of(document_of(channel), channel.name, trusted=True) == channel


def test_all_mistakes_are_told_at_once_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    document = f"""\
[channels.a]
ulr = "slack://{SECRET}"
kind = "aprise"

[channels.b]
url = "slak://{SECRET}"
at_least = "warn"
only = {{ tennant = "acme", kind = "limits", limit = 7 }}
repeat = "5 s"
resolved = "yes"
title = ""
via = "am"
digest = "monthly"

[channels.c]
kind = "webhook"
url = "https://me:{SECRET}@example.com/x"
secret = "short"

[channels."bad name"]
kind = "alertmanager"
url = "env:NOT-A-NAME"
secret = "{SECRET}"
via = "direct"
digest = "daily"

[channels.e]
kind = "python"
url = "no function"

[chanels]
x = "{SECRET}"
""".encode()
    with pytest.raises(ChannelError) as error:
        read_channels(document, "channels.toml")
    assert str(error.value).splitlines() == [
        "channels.toml:1: channels.a.url: missing; expected a reference, env:NAME or file:/path, or a URL of apprise"
        " such as mailto://user:password@host",
        "channels.toml:2: channels.a.ulr: '…'; expected a known field; did you mean 'url'?",
        "channels.toml:3: channels.a.kind: 'aprise'; expected 'apprise'",
        "channels.toml:6: channels.b.url: 'slak://…'; expected a service that may be used, such as mailto, slack or"
        " pagerduty; did you mean slack://?",
        "channels.toml:7: channels.b.at_least: 'warn'; expected 'warning'",
        "channels.toml:8: channels.b.only.tennant: 'acme'; expected a known selector; did you mean 'tenant'?",
        "channels.toml:8: channels.b.only.kind: 'limits'; expected one of limit, forecast, emergency, anomaly,"
        " error_budget, reconciliation, unpriced_model, stale_prices, counters_disagree, rule",
        'channels.toml:8: channels.b.only.limit: 7; expected a glob such as "gpt-4*", or a list of them',
        'channels.toml:9: channels.b.repeat: \'5 s\'; expected a time such as "30m", "4h" or "1d", or seconds; from'
        " a minute to 30 days, or 0 for never",
        "channels.toml:10: channels.b.resolved: 'yes'; expected true or false",
        "channels.toml:11: channels.b.title: ''; expected a template, of 10,000 characters at the most",
        "channels.toml:12: channels.b.via: 'am'; expected one of direct, alertmanager",
        "channels.toml:13: channels.b.digest: 'monthly'; expected one of daily, weekly",
        "channels.toml:17: channels.c.url: 'https://example.com/…'; expected an address without a user and password in"
        " it; with them, a reference, env:NAME or file:/path",
        "channels.toml:18: channels.c.secret: '…'; expected a reference, env:NAME or file:/path, or a key of 16"
        " characters at least",
        "channels.toml:20: channels.'bad name': 'bad name'; expected a name of up to 64 letters, digits, '-', '_' and"
        " '.', that begins with a letter or a digit",
        "channels.toml:22: channels.'bad name'.url: 'env:NOT-A-NAME'; expected env:NAME, of an environment variable, or"
        " file:/path, from the root",
        "channels.toml:23: channels.'bad name'.secret: '…'; expected none: only a webhook is signed",
        "channels.toml:24: channels.'bad name'.via: 'direct'; expected 'alertmanager', as it is one",
        "channels.toml:25: channels.'bad name'.digest: 'daily'; expected none: Alertmanager is told of alerts only",
        "channels.toml:29: channels.e.url: '…'; expected a function, module:function",
        "channels.toml:31: chanels: '…'; expected a known table; did you mean 'channels'?",
    ]
    assert SECRET not in f"{error.value}{error.getrepr(style='short')}{caplog.text}"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"\xff", "c.toml: not UTF-8: invalid start byte at byte 0"),
        (b"[channels", "c.toml: not valid TOML: "),
        (b"channels = 3", "c.toml:1: channels: 3; expected tables, each headed [channels.NAME]"),
        (b"[channels]\nx = 3", "c.toml:2: channels.x: 3; expected a table, headed [channels.x]"),
    ],
)
def test_what_is_no_file_of_channels(document: bytes, said: str) -> None:
    with pytest.raises(ChannelError, match=r".") as error:
        read_channels(document, "c.toml")
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("fields", "field", "expected"),
    [
        ({"url": f"slack://{SECRET}"}, "url", "a reference, env:NAME or file:/path, as the URL is a secret"),
        ({"url": f"https://hooks.slack.com/services/{SECRET}"}, "url", "a reference"),
        ({"kind": "webhook", "url": "https://x/y", "secret": SECRET}, "secret", "a reference, env:NAME or file:/path"),
        ({"kind": "webhook", "url": f"https://me:{SECRET}@x/y"}, "url", "an address without a user and password"),
        ({"kind": "alertmanager", "url": f"http://me:{SECRET}@x"}, "url", "an address without a user and password"),
        ({"kind": "alertmanager", "url": f"http://x?token={SECRET}"}, "url", "an address such as http://alertmanager"),
        ({"kind": "python", "url": "os:system"}, "url", "a Python function can be named in the sidecar's own file"),
        ({"url": "file:relative/path"}, "url", "env:NAME, of an environment variable, or file:/path"),
        ({"url": "env:"}, "url", "env:NAME, of an environment variable, or file:/path"),
        ({"url": 7}, "url", "a text"),
        ({"url": ["env:X"]}, "url", "a text"),
    ],
)
def test_an_api_takes_references_only(fields: dict[str, Any], field: str, expected: str) -> None:
    with pytest.raises(ChannelError) as error:
        channel_of(fields, "team")
    assert str(error.value).startswith(f"channel 'team': {field}: ")
    assert expected in str(error.value)
    assert SECRET not in str(error.value)


def test_an_api_takes_addresses_and_references() -> None:
    assert channel_of({"url": "env:SLACK"}, "team").url == "env:SLACK"
    assert channel_of({"kind": "webhook", "url": "https://x/y", "secret": "env:KEY"}, "team").secret == "env:KEY"
    assert channel_of({"kind": "alertmanager", "url": "http://[::1]:9093"}, "team").via == "alertmanager"


@pytest.mark.parametrize(
    ("kind", "url", "shown"),
    [
        ("apprise", "env:SLACK", "env:SLACK"),
        ("apprise", "file:/run/secrets/slack", "file:/run/secrets/slack"),
        ("apprise", f"slack://{SECRET}", "slack://…"),
        ("apprise", f"mailto://me:{SECRET}@example.com?to=x", "mailto://…"),
        ("apprise", f"https://hooks.slack.com/services/{SECRET}", "https://hooks.slack.com/…"),
        ("webhook", f"https://example.com:8443/{SECRET}?key={SECRET}", "https://example.com:8443/…"),
        ("webhook", f"https://example.com?key={SECRET}", "https://example.com/…"),
        ("alertmanager", "http://[::1]:9093", "http://[::1]:9093/…"),
        ("python", "our.alerts:tell", "our.alerts:tell"),
    ],
)
def test_no_secret_is_shown(kind: str, url: str, shown: str) -> None:
    channel = channel_of({"kind": kind, "url": url}, "team", trusted=True)
    assert table_of(channel)["url"] == shown
    assert SECRET not in repr(channel)
    assert document_of(channel)["url"] == url
    signed = channel_of({"kind": "webhook", "url": "https://x", "secret": SECRET}, "team", trusted=True)
    assert table_of(signed)["secret"] == "…"
    assert SECRET not in repr(signed)
    assert table_of(channel)["secret"] is None


@pytest.mark.parametrize("url", ["syslog://", "dbus://", "file://etc/passwd", "json://host", "exec://x", "http://x"])
def test_only_services_may_be_named(url: str) -> None:
    with pytest.raises(ChannelError):
        channel_of({"url": url}, "team", trusted=True)


def test_every_service_is_one_that_apprise_knows() -> None:
    from apprise.plugins import N_MGR  # noqa: PLC0415  a second

    N_MGR.load_modules()
    unknown = {scheme for scheme in SCHEMES if scheme not in N_MGR}
    assert not unknown


LIMIT = Finding("limit", "daily eu", {"tenant": "acme", "provider": "openai"}, "warning")


@pytest.mark.parametrize(
    ("fields", "finding", "wanted"),
    [
        ({}, LIMIT, True),
        ({"at_least": "warning"}, LIMIT, True),
        ({"at_least": "critical"}, LIMIT, False),
        ({"at_least": "critical"}, LIMIT._replace(severity="emergency"), True),
        ({"only": {"kind": "limit"}}, LIMIT, True),
        ({"only": {"kind": ["unpriced_model", "stale*"]}}, LIMIT, False),
        ({"only": {"limit": "daily*"}}, LIMIT, True),
        ({"only": {"limit": "Daily*"}}, LIMIT, False),
        ({"only": {"limit": "gpt*"}}, LIMIT._replace(kind="unpriced_model", subject="gpt-9"), True),
        ({"only": {"tenant": ["globex", "ac?e"]}}, LIMIT, True),
        ({"only": {"tenant": "acme", "provider": "anthropic"}}, LIMIT, False),
        ({"only": {"tenant": "acme"}}, LIMIT._replace(scope={}), False),
        ({"only": {"tenant": "*"}}, LIMIT._replace(scope={}), True),
        ({"via": "alertmanager"}, LIMIT, False),
        ({"kind": "alertmanager", "url": "http://x"}, LIMIT, False),
    ],
)
def test_who_is_told_of_what(fields: dict[str, Any], finding: Finding, wanted: bool) -> None:
    channel = channel_of({"url": "env:ANY", **fields}, "team")
    assert wants(channel, finding, "direct") is wanted


def test_no_channel_is_told_both_ways() -> None:
    for fields in ({}, {"via": "alertmanager"}, {"kind": "alertmanager", "url": "http://x"}):
        channel = channel_of({"url": "env:ANY", **fields}, "team")
        assert wants(channel, LIMIT, "direct") is not wants(channel, LIMIT, "alertmanager")
