"""Services that can be told of alerts: what to do there first, and what the sidecar has to know of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from tollkeeper.client.alerting import ChannelState


class Service(NamedTuple):
    """`variable`: what an environment variable with its address may be called. `example` is such an address.

    `is_secret`: whoever knows the address can write there, so the sidecar is told where it stands.
    """

    name: str
    title: str
    about: str
    steps: tuple[str, ...]
    example: str
    variable: str
    kind: str = "apprise"
    guide: str = ""
    is_secret: bool = True


SERVICES = (
    Service(
        "slack", "Slack", "A message in a channel",
        ("In Slack, create an app with an incoming webhook, and choose the channel that it writes to.",
         "Copy the webhook's URL.", "That of a proxy, or of Mattermost or Rocket.Chat, does as well."),
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "SLACK_URL", "slack",
        guide="https://api.slack.com/messaging/webhooks",
    ),
    Service(
        "mail", "E-mail", "Through your own mail server",
        ("Fill in the server, and who writes to whom: step 2 then shows the address.",
         "In its place write the password; there, % is %25, @ is %40, : is %3A and / is %2F."),
        "mailtos://USER:PASSWORD@smtp.example.com?from=tollkeeper@example.com&to=you@example.com", "MAIL_URL",
    ),
    Service(
        "teams", "Microsoft Teams", "A card in a channel",
        ("In Teams, add the workflow “When a Teams webhook request is received” to the channel.", "Copy its URL."),
        "https://prod-1.westus.logic.azure.com:443/workflows/WORKFLOW/triggers/manual/paths/invoke?…&sig=SIGNATURE",
        "TEAMS_URL",
    ),
    Service(
        "pagerduty", "PagerDuty", "An incident, resolved when it is over",
        ("In PagerDuty, add the integration “Events API v2” to a service, and copy its integration key.",
         "Write it with an API key as one address, as in the example."),
        "pagerduty://INTEGRATION_KEY@API_KEY", "PAGERDUTY_URL",
    ),
    Service(
        "discord", "Discord", "A message in a channel",
        ("In Discord, open the channel's settings, Integrations, Webhooks, and create one.", "Copy its URL."),
        "https://discord.com/api/webhooks/0000000000/TOKEN", "DISCORD_URL",
    ),
    Service(
        "telegram", "Telegram", "A message to a person or a group",
        ("In Telegram, make a bot with @BotFather, and add it to the group.",
         "Write its token and the chat's number as one address, as in the example."),
        "tgram://123456789:TOKEN_OF_THE_BOT/12315544/", "TELEGRAM_URL",
    ),
    Service(
        "opsgenie", "Opsgenie", "An alert, closed when it is over",
        ("In Opsgenie, add an API integration, and copy its key.",
         "Write it as in the example, in Europe with ?region=eu after it."),
        "opsgenie://API_KEY", "OPSGENIE_URL",
    ),
    Service(
        "webhook", "Webhook", "JSON, to a program of your own",
        ("The sidecar posts JSON to an address of yours, and takes any answer with 2xx for told.",),
        "https://example.com/alerts", "WEBHOOK_URL", "webhook", is_secret=False,
    ),
    Service(
        "alertmanager", "Alertmanager", "Its routes and silences take over",
        ("The sidecar tells an Alertmanager of all that fires, each minute; whom it tells is up to its routes.",),
        "http://alertmanager:9093", "ALERTMANAGER_URL", "alertmanager", is_secret=False,
    ),
    Service(
        "other", "Something else", "Text messages, ntfy, Mattermost and some eighty others",
        ("Find the address of your service at appriseit.com/services, such as ntfys://ntfy.example.com/spend.",),
        "ntfys://ntfy.example.com/spend", "ALERTS_URL", guide="https://appriseit.com/services/",
    ),
)  # fmt: skip
BY_NAME = {service.name: service for service in SERVICES}
PYTHON = "python"
"""A kind of channels that no form makes."""

MAIL_FIELDS = {
    "host": ("Mail server", "smtp.example.com"), "user": ("User there", "tollkeeper@example.com"),
    "from": ("From", "tollkeeper@example.com"), "to": ("To", "you@example.com"),
}  # fmt: skip
"""What the address of a mail server is made of: labels, and examples."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")


def service_of(channel: ChannelState) -> Service:
    """What a channel tells, to be told as it is told now."""
    service = BY_NAME.get(channel.service or "", BY_NAME["other"])
    # By apprise, Slack is told at its own addresses only.
    return service if service.kind == channel.kind else service._replace(kind=channel.kind, steps=service.steps[:2])


def service_title(channel: ChannelState) -> str:
    """What people call it."""
    if channel.kind == PYTHON:
        return "Python function"
    service = channel.service or ""
    return BY_NAME[service].title if service in BY_NAME else service or "Chat, mail or on-call"


def variable_of(url: str, service: Service) -> str:
    """What the environment variable is called that a channel's address is in, or may be put into."""
    reference = url.partition(":")[2] if url.startswith("env:") else url
    return reference if _VARIABLE.fullmatch(reference) else service.variable


def mail_address(said: Mapping[str, str]) -> str:
    """The address for mails, as apprise reads it, of what was filled in; the password is never asked for."""
    filled = {name: said.get(name, "").strip() or example for name, (_, example) in MAIL_FIELDS.items()}
    host = filled["host"] if _HOST.fullmatch(filled["host"]) else MAIL_FIELDS["host"][1]
    user, sender, to = (quote(filled[name], safe="") for name in ("user", "from", "to"))
    return f"mailtos://{user}:PASSWORD@{host}?from={sender}&to={to}"
