"""A channel's service is what its address says, else what has the address is called."""

from __future__ import annotations

import pytest

from tollkeeper.alerting.channel import Channel
from tollkeeper.alerting.service import service_of


@pytest.mark.parametrize(
    ("kind", "url", "address", "service"),
    [
        ("slack", "env:HOOK", None, "slack"),
        ("webhook", "https://example.com", "https://example.com", "webhook"),
        ("apprise", "env:HOOK", "https://hooks.slack.com/services/T/B/x", "slack"),
        ("apprise", "env:SLACK_URL", "mailtos://u:p@slack.example", "mail"),
        ("apprise", "env:HOOK", "https://prod-1.westus.logic.azure.com:443/workflows/x", "teams"),
        ("apprise", "env:HOOK", "https://hooks.slack.com.evil.example/", None),
        ("apprise", "env:HOOK", "46elks://x", "46elks"),
        ("apprise", "env:TEAM_SLACK", None, "slack"),
        ("apprise", "file:/run/secrets/pagerduty", "http://127.0.0.1/x", "pagerduty"),
        ("apprise", "https://slack.example/x", "https://slack.example/x", None),
    ],
)
def test_the_service_of_a_channel(kind: str, url: str, address: str | None, service: str | None) -> None:
    assert service_of(Channel("a", kind, url), address) == service  # type: ignore[arg-type]
