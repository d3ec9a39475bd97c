"""Mail, chats, text messages and on-call services, by way of apprise, which is loaded when it is first needed.

Its log has tokens and messages in it. It goes nowhere: what it says of a delivery is read for the status only.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tollkeeper.alerting.channel import Channel
from tollkeeper.alerting.schemes import SCHEMES
from tollkeeper.config.references import UnresolvedReference
from tollkeeper.model.alert import Notification
from tollkeeper.model.finding import Severity
from tollkeeper.sidecar.notify.contract import PATIENCE_SECONDS, Attachment, Delivery, Message, answered
from tollkeeper.sidecar.notify.opsgenie import close_opsgenie

if TYPE_CHECKING:
    from apprise import AppriseAsset, AppriseResult, NotifyBase

TYPES: Final[Mapping[Severity, str]] = {
    "info": "info",
    "warning": "warning",
    "critical": "failure",
    "emergency": "failure",
}
SOURCE: Final = "tollkeeper"
NOT_KNOWN: Final = (
    "no service is known by this address; expected one such as https://hooks.slack.com/services/…, mailtos://… or "
    "pagerduty://…; for any other, set the channel anew, of kind slack (Slack's messages) or webhook (JSON)"
)

_HTTP_STATUS = re.compile(r"error=([1-5][0-9]{2})\b")
_MAIL_STATUS = re.compile(r"\(([245][0-9]{2}), b?['\"]|was refused: ([45][0-9]{2}) ")
_UNREACHABLE = re.compile(r"connection error|socket exception", re.IGNORECASE)

# The addresses that requests are sent to have secrets in them, and so has all that apprise logs.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)
_theirs = logging.getLogger("apprise")
_theirs.propagate = False
_theirs.setLevel(logging.DEBUG)
_theirs.addHandler(logging.NullHandler())


class AppriseNotifier:
    """Sends by one URL of apprise."""

    def __init__(self, channel: Channel, resolve: Callable[[str], str]) -> None:
        self._channel = channel
        self._resolve = resolve

    def send(self, notification: Notification | None, message: Message) -> Delivery:
        try:
            url = self._resolve(self._channel.url)
        except UnresolvedReference as missing:
            return Delivery("failed", str(missing))
        try:
            import apprise  # noqa: F401, PLC0415  a second, and sixteen megabytes
        except ImportError:
            return Delivery("refused", "apprise is not installed: pip install 'tollkeeper[sidecar]'")
        service = _service(url)
        if isinstance(service, Delivery):
            return service
        is_over = notification is not None and notification.event == "resolved"
        if notification is not None:
            if service.secure_protocol == "opsgenie" and is_over:
                return close_opsgenie(service, notification.alert.id, message)
            _identify(service, notification, message)
        return _delivered(_notify(service, message, "success" if is_over else TYPES[message.severity]))


def _service(url: str) -> NotifyBase | Delivery:
    """What a URL means to apprise; or why it is refused."""
    from apprise import Apprise  # noqa: PLC0415
    from apprise.plugins import url_to_dict  # noqa: PLC0415

    unknown = Delivery("refused", NOT_KNOWN)
    try:
        said = url_to_dict(url, secure_logging=True)  # type: ignore[no-untyped-call]
        if not said:
            return unknown
        if said.get("schema") not in SCHEMES:
            return Delivery("refused", f"{said.get('schema')}:// is no service that may be used")
        return Apprise.instantiate(said, asset=_asset()) or unknown
    except Exception:  # noqa: BLE001  a boundary: parsers of a hundred services
        return unknown


def _asset() -> AppriseAsset:
    from apprise import AppriseAsset  # noqa: PLC0415

    return AppriseAsset(
        app_id="Tollkeeper",
        app_desc="Tollkeeper",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        async_mode=False,
        storage_mode="memory",
        allow_templates=False,
        pgp_autogen=False,
        pem_autogen=False,
    )


def _identify(service: Any, notification: Notification, message: Message) -> None:
    """Say which alert it is, to services that keep one open until it is over; unless the URL says otherwise."""
    if service.secure_protocol == "pagerduty":
        service.dedup = service.dedup or notification.alert.id
        service.action = "resolve" if notification.event == "resolved" else "trigger"
        service.click = service.click or message.link
        if service.source == service.template_tokens["source"]["default"]:
            service.source = SOURCE
    elif service.secure_protocol == "opsgenie":
        service.alias = service.alias or notification.alert.id
        # By itself it makes a note of what is `info`, to no alert at all.
        service.action = "new"


def _notify(service: NotifyBase, message: Message, kind: str) -> AppriseResult:
    from apprise import Apprise  # noqa: PLC0415

    sender = Apprise(asset=_asset())
    sender.add(service)
    return sender.notify(
        attach=_attached(message.attachment),
        title=message.title,
        body=message.body,
        notify_type=kind,
        body_format="text",
        timeout=PATIENCE_SECONDS,
        log_level=logging.DEBUG,
    )


def _attached(attachment: Attachment | None) -> Any:
    """For the services that take files; the others tell the text."""
    if attachment is None:
        return None
    from apprise.attachment.memory import AttachMemory  # noqa: PLC0415

    made: Any = AttachMemory
    return made(content=attachment.content, name=attachment.name, mimetype=attachment.media_type)


def _delivered(result: AppriseResult) -> Delivery:
    from apprise.result import AppriseResultStatus  # noqa: PLC0415

    if result.status == AppriseResultStatus.SUCCESS:
        return Delivery("sent", "taken by the service")
    if result.status == AppriseResultStatus.TIMEOUT:
        return Delivery("failed", f"no answer within {PATIENCE_SECONDS:g} s")
    return _told(entry.message for each in result for entry in each.logs())


def _told(lines: Iterable[str]) -> Delivery:
    """What a failure was, of what apprise has logged: the status, and nothing else of it."""
    said = list(lines)
    for line in said:
        if found := _HTTP_STATUS.search(line):
            status = int(found[1])
            return Delivery("failed", "the service answered, but did not take it") if status < 300 else answered(status)
    for line in said:
        if found := _MAIL_STATUS.search(line):
            code = found[1] or found[2]
            return Delivery("refused" if code[0] == "5" else "failed", f"the mail server answered {code}")
    if any(_UNREACHABLE.search(line) for line in said):
        return Delivery("failed", "could not be reached, or gave no answer in time")
    return Delivery("failed", "the service did not take it")
