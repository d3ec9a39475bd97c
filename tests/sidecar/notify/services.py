"""Services that apprise reaches, each with a sink in the place of the real one, in the shape that the real one has."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from apprise.plugins import opsgenie, pagerduty
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram
from apprise.plugins.twilio import NotifyTwilio

from services.sinks import HttpSink

SECRET = "T0PS3CR3TT0PS3CR3TT0PS3C"
SID = "AC" + "0" * 32


class Service(NamedTuple):
    """`answer` is what the real one answers when it has taken a message. `moved` puts the sink in its place."""

    url: str
    status: int
    answer: bytes
    moved: Callable[[pytest.MonkeyPatch, HttpSink], None]


def _attribute(owner: type, name: str, path: str) -> Callable[[pytest.MonkeyPatch, HttpSink], None]:
    return lambda patch, web: patch.setattr(owner, name, web.url + path)


def _entry(table: dict[str, str], path: str) -> Callable[[pytest.MonkeyPatch, HttpSink], None]:
    return lambda patch, web: patch.setitem(table, "us", web.url + path)


def _nothing(patch: pytest.MonkeyPatch, web: HttpSink) -> None:
    """Its address is in its URL."""


SERVICES = {
    "slack": Service(
        f"slack://T1JJ3T3L2/A1BRTD4JD/{SECRET}", 200, b"ok", _attribute(NotifySlack, "webhook_url", "/services")
    ),
    "slack address": Service(
        f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{SECRET}",
        200,
        b"ok",
        _attribute(NotifySlack, "webhook_url", "/services"),
    ),
    "discord": Service(
        f"discord://4174216298/{SECRET}", 204, b"", _attribute(NotifyDiscord, "notify_url", "/api/webhooks")
    ),
    "telegram": Service(
        f"tgram://123456789:{SECRET}/12345", 200, b'{"ok":true}', _attribute(NotifyTelegram, "notify_url", "/bot")
    ),
    "pagerduty": Service(
        f"pagerduty://{SECRET}@any-key",
        202,
        b'{"status":"success","message":"Event processed","dedup_key":"k"}',
        _entry(pagerduty.PAGERDUTY_API_LOOKUP, "/v2/enqueue"),
    ),
    "opsgenie": Service(
        f"opsgenie://{SECRET}",
        202,
        b'{"result":"Request will be processed","took":0.3,"requestId":"43a29c5c-3dbf"}',
        _entry(opsgenie.OPSGENIE_API_LOOKUP, "/v2/alerts"),
    ),
    "twilio": Service(
        f"twilio://{SID}:{SECRET}@15551234567/15557654321",
        201,
        b'{"sid":"SM1","status":"queued"}',
        _attribute(NotifyTwilio, "notify_sms_url", "/2010-04-01/Accounts/{sid}/Messages.json"),
    ),
    "mattermost": Service(f"mmost://127.0.0.1:{{port}}/{SECRET}", 200, b"ok", _nothing),
    "ntfy": Service(f"ntfy://me:{SECRET}@127.0.0.1:{{port}}/spend", 200, b"{}", _nothing),
}
