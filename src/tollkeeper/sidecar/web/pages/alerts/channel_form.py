"""The form of a channel, for a new one and for one that is there, whose changes are reviewed. It keeps no secret."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from tollkeeper.alerting.channel import DIGESTS, HIDDEN, SELECTORS, ChannelError, channel_of, is_reference
from tollkeeper.client import Invalid, NotFound, Outdated
from tollkeeper.client.alerting import ChannelState
from tollkeeper.model.finding import SEVERITIES
from tollkeeper.sidecar.notify.messages import check_templates
from tollkeeper.sidecar.web.pages.alerts.matching import (
    CHOICES,
    FIELD,
    of_form,
    read_globs,
    write_globs,
)
from tollkeeper.sidecar.web.pages.alerts.services import (
    BY_NAME,
    MAIL_FIELDS,
    PYTHON,
    SERVICES,
    Service,
    mail_address,
    service_of,
    variable_of,
)
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.sidecar.web.view import View

KINDS = FIELD.format("kind")
LABELS = {
    "url": "Address", "secret": "Signed with", "at_least": "Tell from", KINDS: "Kinds of alerts",
    **{FIELD.format(name): f"Only {name}" for name in SELECTORS if name not in CHOICES},
    "repeat": "Tell again after", "digest": "Summary", "via": "Told by", "resolved": "Tell when it is over",
    "title": "Title", "body": "Text",
}  # fmt: skip
"""Every field of the form but the name and the reason, and what it is called."""
OF_SOME = ("secret", "repeat", "digest", "via", "title", "body")
"""What only the forms of some services ask for; of others it stays."""
EMPTY = {"secret": "not signed", "digest": "none", "resolved": "no", "title": "as usual", "body": "as usual"}
"""What it means that a field is empty; of others, that it may be anything."""
WORDS = {"via": {"direct": "this sidecar", "alertmanager": "an Alertmanager"}, KINDS: CHOICES["kind"]}
"""What values are called, where they are none that people write."""
SHORT = ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,40}")
"""What is taken for the name of a variable as it stands: what may be a secret is not."""
_USER = re.compile(r"\w+://[^/?#]*@")

Said = Mapping[str, str]
"""What the fields of the form say."""


async def choose(view: View) -> Response:
    """Which service is to be told; once that is chosen, the form."""
    service = BY_NAME.get(view.request.query_params.get("service", ""))
    if service is None:
        return view.page("alerts/services.html", title="New channel", services=SERVICES)
    defaults = {"name": service.name, "url": service.variable if service.is_secret else "", "at_least": "warning",
                "repeat": "1h", "resolved": "yes", "via": "direct"}  # fmt: skip
    return _form(view, service, defaults)


async def create(view: View) -> Response:
    """A new channel."""
    service = BY_NAME.get(view.field("service"), SERVICES[0])
    said = _said(view)
    name = said["name"]
    wrong = _mistakes(service, said)
    if not wrong and name in {each.name for each in (await view.api.channels()).channels}:
        wrong = {"name": f"There is a channel {name} already: another name, or change that one."}
    if wrong:
        return _form(view, service, said, 422, wrong=wrong)
    try:
        made = await view.api.set_channel(name, document_of(service, said), reason=said["reason"] or None)
    except (Invalid, Outdated, NotFound) as error:
        return _form(view, service, said, error.status or 422, error.message)
    next_step = "" if made.trouble else " Send an example now, to see that it arrives."
    return view.done(f"/alerts/channels/{name}", f"Saved.{next_step}")


async def edit(view: View) -> Response:
    """The form of one that is there."""
    found = await view.api.channel(view.request.path_params["name"])
    said = said_of(found)
    return _form(view, _service_of(found), said, channel=found, seen=_mark(said))


async def change(view: View) -> Response:
    """Show what changes; then, make it so."""
    name = view.request.path_params["name"]
    found = await view.api.channel(name)
    now, service = said_of(found), _service_of(found)
    said = {**_said(view), **{each: now[each] for each in OF_SOME if each not in view.form}, "name": name}
    shown: dict[str, Any] = {"channel": found, "seen": view.field("seen")}
    if view.field("do") == "form":
        return _form(view, service, said, **shown)
    if wrong := _mistakes(service, said):
        return _form(view, service, said, 422, wrong=wrong, **shown)
    rows = _changes(now, said)
    if not rows:
        return _form(view, service, said, is_same=True, **shown)
    if view.field("seen") != _mark(now):
        message = "Somebody else has changed it in the meantime. Below is what it is now, and what yours makes of it."
        return _review(view, {**said, "seen": _mark(now)}, rows, found, 409, message)
    if view.field("do") != "save":
        return _review(view, {**said, "seen": _mark(now)}, rows, found)
    try:
        await view.api.set_channel(name, document_of(service, said), reason=said["reason"] or None)
    except (Invalid, Outdated) as error:
        return _form(view, service, said, error.status or 422, error.message, **shown)
    return view.done(f"/alerts/channels/{name}", "Saved.")


def said_of(channel: ChannelState) -> dict[str, str]:
    """A channel as the form says it."""
    return {
        "name": channel.name,
        "url": channel.url,
        "secret": channel.secret or "",
        "at_least": channel.at_least,
        "repeat": _short(channel.repeat),
        "resolved": "yes" if channel.resolved else "",
        "digest": channel.digest or "",
        "via": channel.via,
        "title": channel.title or "",
        "body": channel.body or "",
        **{FIELD.format(name): text for name, text in write_globs(channel.only).items()},
    }


def document_of(service: Service, said: Said) -> dict[str, Any]:
    """What the form says, as the API reads it: what was left empty is the default."""
    globs = read_globs({name: said.get(FIELD.format(name), "") for name in SELECTORS})
    repeat = said.get("repeat", "")
    given: dict[str, Any] = {
        "kind": service.kind,
        "url": _reference(said["url"]),
        "at_least": said.get("at_least"),
        "repeat": int(repeat) if repeat.isascii() and repeat.isdigit() else repeat,
        "title": said.get("title"),
        "body": said.get("body"),
        "only": globs,
    }
    if service.kind == "webhook":
        given["secret"] = _reference(said.get("secret", ""))
    if service.kind != "alertmanager":
        given |= {"digest": said.get("digest"), "via": said.get("via")}
    document = {name: value for name, value in given.items() if value not in ("", None, {})}
    return {**document, "resolved": bool(said.get("resolved"))}


def _said(view: View) -> dict[str, str]:
    fields = ("name", "url", "secret", "at_least", "repeat", "resolved", "digest", "via", "title", "body", "reason")
    globs = {FIELD.format(name): text for name, text in of_form(view, SELECTORS).items()}
    return {**{name: view.field(name) for name in fields}, **globs}


def _reference(said: str) -> str:
    """Where a secret stands: the bare name of a variable, and the path of a file, say it too."""
    if _VARIABLE.fullmatch(said):
        return f"env:{said}"
    return f"file:{said}" if said.startswith("/") else said


def _mistakes(service: Service, said: dict[str, str]) -> dict[str, str]:
    """What is wrong, by field. A secret that was put into the form is taken out of it."""
    wrong = {}
    if not said["name"]:
        wrong["name"] = "Expected a name, such as finance."
    if not said["url"]:
        such_as = f"a name such as {service.variable}" if service.is_secret else f"such as {service.example}"
        wrong["url"] = f"Expected {such_as}."
    elif _is_secret(service, said["url"]):
        wrong["url"] = PASTED
        said["url"] = service.variable
    if said.get("secret") and not is_reference(_reference(said["secret"])) and said["secret"] != HIDDEN:
        wrong["secret"] = PASTED
        said["secret"] = ""
    return {**_refused(service, said), **wrong}


def _refused(service: Service, said: Said) -> dict[str, str]:
    """What the API would not take, by field."""
    try:
        wrong = check_templates(channel_of(document_of(service, said), said["name"]))
    except ChannelError as error:
        return {_field(place): f"Expected {expected}." for place, expected in error.expected.items()}
    return {name: f"Not a template: {why}." for name, _, why in (each.partition(": ") for each in wrong)}


def _field(place: str) -> str:
    """What the form calls a place of a channel's table."""
    table, _, name = place.rpartition(".")
    return FIELD.format(name) if table == "only" else place or "name"


def _is_secret(service: Service, url: str) -> bool:
    """Whether it is more than where to look the address up."""
    if is_reference(_reference(url)) or HIDDEN in url:
        return False
    return service.is_secret or _USER.match(url) is not None


PASTED = "Expected where the secret is, and not the secret itself."
"""The form says above it what to do instead."""


def _changes(before: Said, after: Said) -> Sequence[tuple[str, str, str]]:
    def shown(name: str, said: Said) -> str:
        value = said.get(name, "")
        if name in WORDS:
            value = ", ".join(WORDS[name].get(each, each) for each in value.split(", "))
        return (_reference(value) if name in ("url", "secret") else value) or EMPTY.get(name, "any")

    pairs = [(label, shown(name, before), shown(name, after)) for name, label in LABELS.items()]
    return [row for row in pairs if row[1] != row[2]]


def _mark(said: Said) -> str:
    """Another one, when the channel is another one."""
    return hashlib.sha256(json.dumps(sorted(said.items())).encode()).hexdigest()[:16]


def _service_of(channel: ChannelState) -> Service:
    if channel.kind == PYTHON:
        raise Invalid(422, f"{channel.name} is a Python function, and is changed in the sidecar's file of channels")
    return service_of(channel)


def _short(seconds: int) -> str:
    unit, length = next((each for each in SHORT if seconds and seconds % each[1] == 0), ("", 1))
    return f"{seconds // length}{unit}"


def _form(
    view: View,
    service: Service,
    said: Said,
    status: int = 200,
    problem: str = "",
    wrong: Mapping[str, str] | None = None,
    channel: ChannelState | None = None,
    **shown: Any,
) -> Response:
    mail = {name: view.request.query_params.get(name, "") for name in MAIL_FIELDS} if service.name == "mail" else {}
    example = mail_address(mail) if any(mail.values()) else service.example
    variable = variable_of(said["url"], service)
    context = {"is_same": False, "seen": "", "mail": mail, "mail_fields": MAIL_FIELDS, "example": example,
               "variable": variable, **shown}  # fmt: skip
    title = f"New channel: {service.title}" if channel is None else f"Change {channel.name}"
    return view.page(
        "alerts/channel_form.html", status, title=title,
        service=service, said=said, problem=problem, wrong=wrong or {}, channel=channel, pasted=PASTED,
        severities=SEVERITIES, digests=DIGESTS, selectors=[name for name in SELECTORS if name not in CHOICES],
        choices=CHOICES, **context,
    )  # fmt: skip


def _review(
    view: View,
    kept: Said,
    rows: Sequence[tuple[str, str, str]],
    channel: ChannelState,
    status: int = 200,
    problem: str = "",
) -> Response:
    title = f"Change {channel.name}"
    context = {"kept": kept, "rows": rows, "channel": channel, "problem": problem}
    return view.page("alerts/channel_review.html", status, title=title, **context)


ROUTES: tuple[Show | Change, ...] = (
    Show("/alerts/new-channel", choose),
    Change("/alerts/channels", create, "admin"),
    Show("/alerts/channels/{name}/edit", edit),
    Change("/alerts/channels/{name}", change, "admin"),
)
