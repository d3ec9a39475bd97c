"""The services that apprise may be asked to reach, by the scheme of their URLs.

Left out is what stays on the sidecar's own machine (syslog, D-Bus, a desktop) and what a webhook of ours does better.
"""

from __future__ import annotations

from typing import Final

_MAIL = "mailto mailtos azure o365 ses sendgrid mailgun postmark sparkpost brevo resend smtp2go mailersend"
_CHAT = (
    "slack workflow workflows discord gchat mmost mmosts rocket rockets webex wxteams zulip matrix matrixs tgram signal"
    " signals whatsapp line lark feishu dingtalk wecombot wechat cliq zcliq zohocliq zoom twist ryver flock revolt"
    " nctalk nctalks ncloud nclouds synology synologys"
)
_ON_CALL = (
    "pagerduty opsgenie splunk victorops squadcast ilert incidentio betterstack firehydrant goalert goalerts pagertree"
    " spike signl4 xmatters"
)
_TEXT_MESSAGE = (
    "twilio sns vonage nexmo plivo sinch telnyx telesign msgbird clicksend clickatell bulksms infobip d7sms 46elks elks"
    " seven threema atalk burstsms kudosity smseagle smseagles"
)
_PUSH = "pover pbul gotify gotifys ntfy ntfys bark barks prowl pushy simplepush spush"

SCHEMES: Final = frozenset(" ".join((_MAIL, _CHAT, _ON_CALL, _TEXT_MESSAGE, _PUSH)).split())
