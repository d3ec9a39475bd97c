"""An example is an alert that the channel asks for."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.notify.given import NOW, channel
from tollkeeper.alerting.channel import wants
from tollkeeper.sidecar.notify.messages import message_of
from tollkeeper.sidecar.notify.sample import sample_notification


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({}, "Warning: example at 85 % for tenant acme"),
        ({"at_least": "critical"}, "Critical: example at 97 % for tenant acme"),
        ({"at_least": "emergency"}, "Emergency: emergency mode"),
        ({"only": {"limit": "daily*", "tenant": ["glob*", "x"]}}, "Warning: daily at 85 % for tenant glob"),
        ({"only": {"kind": "unpriced_model"}}, "Warning: example has no price"),
        ({"only": {"kind": ["limit", "anomaly"], "user": "*"}}, "Warning: example at 85 % for user acme"),
    ],
)
def test_an_example_is_what_the_channel_asks_for(fields: dict[str, Any], title: str) -> None:
    asking = channel(kind="webhook", url="https://example.com", **fields)
    told = sample_notification(asking, NOW)
    assert wants(asking, told.alert.finding, "direct")
    assert message_of(told, asking).title == title
