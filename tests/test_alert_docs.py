"""What `docs/alerts.md` says of channels is so: every option, name, field and scheme is there, and its examples run."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from services.prometheus import need
from services.sinks import http_sink
from sidecar.notify.given import NOW, channel, notification, send
from sidecar.notify.services import SERVICES
from tollkeeper.alerting.channel import OPTIONS, SELECTORS, Channel, read_channels
from tollkeeper.alerting.schemes import SCHEMES
from tollkeeper.model.finding import FINDING_KINDS
from tollkeeper.sidecar.notify.alertmanager import ALERT_NAMES
from tollkeeper.sidecar.notify.messages import FILTERS, message_of
from tollkeeper.sidecar.notify.names import NAMES
from tollkeeper.sidecar.notify.payload import payload_of

PAGE = (Path(__file__).parents[1] / "docs" / "alerts.md").read_text(encoding="utf-8")
BLOCKS = [dedent(block).strip() for block in re.findall(r"(?:^(?:    .*)?\n)+", PAGE, re.MULTILINE) if block.strip()]
TOML = "\n\n".join(block for block in BLOCKS if block.startswith("[channels."))
CHANNELS = {channel.name: channel for channel in read_channels(TOML.encode(), "alerts.md")}
PYTHON = [block for block in BLOCKS if block.startswith(("import ", "from "))]


def rows(head: str) -> list[list[str]]:
    """The rows of the table that has these columns."""
    _, _, rest = PAGE.partition(f"| {head} |\n")
    table = re.match(r"\|[ |-]+\|\n((?:\|.*\n)+)", rest)
    assert table is not None, head
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


def test_every_option_is_listed_as_it_is() -> None:
    listed = rows("field | default | meaning")
    assert listed == [[f"`{name}`", option.default, option.meaning] for name, option in OPTIONS.items()]
    ways = PAGE.partition("`only` may ask for")[2].partition("\n\n")[0]
    for selector in (*SELECTORS, *FINDING_KINDS):
        assert f"`{selector}`" in ways


def test_every_name_and_filter_of_templates_is_listed_as_it_is() -> None:
    assert rows("name | what it says") == [[f"`{name}`", meaning] for name, meaning in NAMES.items()]
    listed = " ".join(PAGE.partition("with the filters ")[2].partition(".")[0].split())
    assert listed == ", ".join(f"`{name}`" for name in FILTERS)


def test_every_field_of_the_payload_is_listed() -> None:
    told = notification()
    payload = payload_of(told, message_of(told, channel(url="env:ANY")))
    assert {row[0].strip("`") for row in rows("field | meaning")} == set(payload)


def test_every_scheme_is_listed() -> None:
    (listed,) = [block for block in BLOCKS if block.startswith("46elks")]
    assert set(listed.split()) == SCHEMES


def test_every_label_is_listed() -> None:
    names = dict(rows("label | value"))["`alertname`"]
    assert re.findall(r"`(\w+)`", names) == list(ALERT_NAMES.values())


def test_every_url_is_one_that_apprise_takes() -> None:
    from apprise import Apprise  # noqa: PLC0415  a second

    urls = [match[1] for row in rows("service | its URL") if (match := re.match(r"`([^`]+)`", row[1]))]
    urls += re.findall(r"# (\w+://\S+)", TOML) + re.findall(r"`(mailto://\S+)`", PAGE)
    assert len(urls) == 11 + 3 + 1
    for url in urls:
        assert Apprise.instantiate(url) is not None, url
        assert url.partition(":")[0] in SCHEMES | {"https"}


@pytest.mark.parametrize("name", ["finance", "mail", "on-call", "phone", "ledger", "ours", "cluster", "brief"])
def test_every_channel_can_be_told(name: str) -> None:
    """By its own templates; where to is another matter."""
    said = message_of(notification(), CHANNELS[name])
    assert "cannot be used" not in said.body
    assert said.title


def test_the_template_says_what_it_says() -> None:
    said = message_of(notification(), CHANNELS["brief"])
    assert said.title == "WARNING example at 85 %"
    assert said.body.split("\n") == [
        "tenant acme: $8.50 of $10.00, $17.00 expected by 2026-09-22 00:00 UTC",
        "gpt-4o $6.12",
        "gpt-4o-mini $2.38",
    ]
    assert message_of(notification(), CHANNELS["phone"]).body == "tenant acme has used $8.50 of $10.00"


def test_the_check_of_the_signature_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = [block for block in PYTHON if "is_from_tollkeeper" in block]
    assert len(code.splitlines()) <= 10
    names: dict[str, Any] = {}
    exec(code, names)
    check, key = names["is_from_tollkeeper"], "a-key-of-some-length"
    monkeypatch.setenv("ALERTS_KEY", key)
    with http_sink() as web:
        assert send(Channel("ledger", "webhook", web.url, secret=CHANNELS["ledger"].secret)).outcome == "sent"
        header, body = web.last.headers["X-Tollkeeper-Signature"], web.last.body
    now = NOW / 10**9
    assert check(key, header, body, now)
    assert not check("another", header, body, now)
    assert not check(key, header, body + b" ", now)
    assert not check(key, header, body, now + 301)
    assert not check(key, header, body)
    for forged in ("", "t=,v1=", "v1=x", "t=1", header.replace("v1=", "v1=0"), header.replace("v1=", "v1=é")):
        assert not check(key, forged, body, now)


def test_the_function_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = [block for block in PYTHON if "async def tell" in block]
    names: dict[str, Any] = {}
    exec(code, names)
    for forecast in (17 * 10**9, 170 * 10**9, None):
        facts = {**notification().alert.finding.facts, "forecast": forecast}
        told = notification(facts=facts)
        asyncio.run(names["tell"](payload_of(told, message_of(told, CHANNELS["ours"]))))
    assert capsys.readouterr().out == "Warning: example at 85 % for tenant acme {'tenant': 'acme'}\n"


def test_alertmanager_takes_its_configuration(tmp_path: Path) -> None:
    (written,) = [block for block in BLOCKS if block.startswith("route:")]
    assert yaml.safe_load(written)["receivers"] == [{"name": "finance"}]
    configuration = tmp_path / "alertmanager.yml"
    configuration.write_text(written)
    done = subprocess.run(
        [need("amtool"), "check-config", str(configuration)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_services_are_those_that_are_tested() -> None:
    listed = json.dumps(rows("service | its URL")).lower()
    for name in SERVICES:
        assert name.split()[0] in listed
