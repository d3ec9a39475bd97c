"""Who is told as a limit fills, as channels are set now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tollkeeper.alerting.channel import Channel, Via, wants
from tollkeeper.client.alerting import ChannelState
from tollkeeper.model.finding import Finding, severity_at
from tollkeeper.model.limit import Limit
from tollkeeper.policy import Policy
from tollkeeper.sidecar.findings import told_at


class Told(NamedTuple):
    """A channel; of what it is told, where that is not all; and whether nothing arrives there."""

    channel: str
    part: str
    fails: bool


class Telling(NamedTuple):
    """The percentages at which a limit tells, and the channels that are told."""

    at: tuple[int, ...]
    told: Sequence[Told]


def telling(policy: Policy, name: str, channels: Sequence[ChannelState]) -> Telling | None:
    """Of a limit of a policy; `None` if there is none of this name."""
    limit = next((each for each in policy.limits if each.name == name), None)
    if limit is None:
        return None
    found = [told for channel in channels if (told := _told(limit, channel)) is not None]
    return Telling(told_at(limit), found)


def _told(limit: Limit, said: ChannelState) -> Told | None:
    """An alert of a limit names what the limit is counted by, and nothing else: whose, is known when it fires."""
    whose = {name: globs for name, globs in said.only.items() if name in limit.per}
    only = {name: tuple(globs) for name, globs in said.only.items() if name not in limit.per}
    via: Via = "alertmanager" if said.kind == "alertmanager" else "direct"
    channel = Channel(said.name, said.kind, "", at_least=said.at_least, only=only, via=said.via)  # type: ignore[arg-type]
    percents = told_at(limit)
    heard = [at for at in percents if wants(channel, Finding("limit", limit.name, {}, severity_at(at), at), via)]
    if not heard:
        return None
    parts = [f"{name} {', '.join(globs)} only" for name, globs in whose.items()]
    if len(heard) < len(percents):
        parts.insert(0, f"from {min(heard)} % on")
    return Told(said.name, ", ".join(parts), said.trouble is not None)
