"""Closes an alert of Opsgenie by its alias.

apprise closes by the id of the request that opened it, which only the process that sent it knows.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from tollkeeper.sidecar.notify.contract import Delivery, Message
from tollkeeper.sidecar.notify.post import post


def close_opsgenie(service: Any, alert_id: str, message: Message) -> Delivery:
    """`service` is apprise's, which knows key and region. Raises nothing."""
    from apprise.plugins.opsgenie import OPSGENIE_API_LOOKUP  # noqa: PLC0415  as lazily as apprise itself

    alias = service.alias or alert_id
    url = f"{OPSGENIE_API_LOOKUP[service.region_name]}/{quote(alias, safe='')}/close?identifierType=alias"
    body = msgspec.json.encode({"source": "tollkeeper", "note": f"{message.title}\n\n{message.body}"})
    return post(url, body, {"Authorization": f"GenieKey {service.apikey}"})
