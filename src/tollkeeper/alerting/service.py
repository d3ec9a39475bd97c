"""Which service a channel tells: as far as its address says it, or else the name of what has the address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tollkeeper.alerting.channel import Channel, is_reference
from tollkeeper.alerting.schemes import SCHEMES

_OF_SCHEME: Final[Mapping[str, str]] = {
    "mailto": "mail", "mailtos": "mail", "workflow": "teams", "workflows": "teams", "tgram": "telegram",
    "mmost": "mattermost", "mmosts": "mattermost", "rocket": "rocketchat", "rockets": "rocketchat", "ntfys": "ntfy",
}  # fmt: skip
_OF_HOST: Final = (
    ("hooks.slack.com", "slack"), ("discord.com", "discord"), ("discordapp.com", "discord"),
    ("logic.azure.com", "teams"), ("webhook.office.com", "teams"), ("powerplatform.com", "teams"),
)  # fmt: skip
_NAMED: Final = ("slack", "mail", "teams", "pagerduty", "discord", "telegram", "opsgenie", "mattermost", "ntfy")
_WEB: Final = re.compile(r"https?://(?:[^/?#@]*@)?([^/?#@:]+)")
_WORD: Final = re.compile(r"[a-z]+")


def service_of(channel: Channel, address: str | None) -> str | None:
    """Such as `slack` or `mail`, else the scheme of its address, or the kind; `None` where that is not known.

    `address` is what the channel's URL says, looked up; `None` where it cannot be.
    """
    if channel.kind != "apprise":
        return channel.kind
    return _at(address or "") or (_named(channel.url) if is_reference(channel.url) else None)


def _at(address: str) -> str | None:
    scheme = address.partition("://")[0].lower()
    if scheme in SCHEMES:
        return _OF_SCHEME.get(scheme, scheme)
    web = _WEB.match(address)
    host = web[1].lower() if web else ""
    return next((name for ours, name in _OF_HOST if host == ours or host.endswith(f".{ours}")), None)


def _named(reference: str) -> str | None:
    words = set(_WORD.findall(reference.partition(":")[2].lower()))
    return next((name for name in _NAMED if name in words), None)
