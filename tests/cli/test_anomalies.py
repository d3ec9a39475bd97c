"""`tollkeeper anomalies`, as somebody at a terminal sees it, the typed client under it, and what `docs/` says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest
from rich.console import Console

from cli.telling import Tell
from sidecar.api.test_anomalies import kept, loop, spike
from sidecar.api.world import World
from tollkeeper import Client
from tollkeeper.cli.policy_doubts import doubts_about
from tollkeeper.cli.policy_shown import summary_of, tables_of
from tollkeeper.client import NotFound
from tollkeeper.model.anomaly_rule import DETECTORS, RULE_METRICS
from tollkeeper.policy.anomaly_table import FIELDS
from tollkeeper.policy.document import read_toml

PAGE = (Path(__file__).parents[2] / "docs" / "anomalies.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("cli")
    made = World(f"sqlite:///{folder / 'ledger.db'}")
    yield made
    made.close()


def test_from_finding_one_to_saying_what_it_was(tell: Tell, world: World) -> None:
    assert tell("anomalies").out == "Nothing unusual.\n"
    assert tell("anomalies", "tuning").out == "No labels: thresholds are as they are set.\n"
    first, second = kept(world, loop(world), spike(world))
    listed = tell("anomalies").out
    assert "runaway spend for session s-1" in listed
    assert "$6.0000" in listed
    assert first.id in listed
    assert second.id in listed
    assert second.id not in tell("anomalies", "--metric", "spend").out
    shown = tell("anomalies", "show", second.id).out
    assert shown.startswith("Warning: hourly error rate for tenant acme at 25.0 %, usually 0.0 % to 3.1 %\n")
    assert "goes on" in shown
    assert re.search(r"model +gpt-4o +\$90.0000 +\$10.0000 +\$80.0000 +80% +\$50.0000 +\$10.0000 +\$20.0000", shown)
    assert "taken on by a test" in tell("anomalies", "ack", first.id, "--reason", "on it").out
    said = tell("anomalies", "label", first.id, "false", "--note", "a load [test]").out
    assert "a test says it was false: a load [test]" in said
    assert re.search(r"spend +session=s-1 +0 +1 +1.25 ×", tell("anomalies", "tuning").out)
    assert json.loads(tell("anomalies", "--json", "--label", "false").out)["anomalies"][0]["id"] == first.id
    assert tell("anomalies", "show", "none").code == 1


def test_the_typed_client_has_the_same(world: World, url: str) -> None:
    (one,) = kept(world, loop(world, scope={"user": "ada"}))
    with Client(url=url, key=world.key("admin")) as client:
        found = client.anomalies(open=True, user="ada").anomalies
        assert [each.id for each in found] == [one.id]
        assert (found[0].excess, found[0].actual, found[0].cause[0].value) == (Decimal(6), Decimal(72), "s-1")
        assert client.anomaly(one.id) == found[0]
        assert client.acknowledge_anomaly(one.id, reason="mine").acknowledged_by == "a test"
        assert client.label_anomaly(one.id, "real").label == "real"
        assert client.label_anomaly(one.id, None).label is None
        with pytest.raises(NotFound):
            client.anomaly("none")


def test_the_page_s_policies_are_right_and_its_fields_all_there_are() -> None:
    blocks = re.findall(r"(?:^(?:    .*)?\n)+", PAGE, re.MULTILINE)
    tables = [dedent(block) for block in blocks if block.lstrip().startswith("[[")]
    ladder = """
[[limit]]
name = "usd-day-per-tenant"
limit = "$10 / day per tenant"
[[ladder]]
limit = "usd-day-per-tenant"
steps = [{ at = 80, do = "cap_output", tokens = 100 }, { at = 100, do = "deny" }]
"""
    assert len(tables) == 3
    for table in tables:
        policy = read_toml(ladder + table, "anomalies.md")
        assert policy.anomalies or policy.detection
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.partition("| field |")[2].partition("\n\n")[0], re.MULTILINE)
    assert sorted(listed) == sorted(FIELDS)
    for word in (*RULE_METRICS, *DETECTORS):
        assert f"`{word}`" in PAGE


def test_a_policy_s_rules_are_shown_and_doubted() -> None:
    policy = read_toml(
        """
[[limit]]
name = "daily"
limit = "100 requests / day"
[[ladder]]
limit = "daily"
steps = [{ at = 90, do = "deny" }]
[[anomaly]]
name = "busy"
type = "threshold"
metric = "spend_per_hour"
threshold = "$2.50"
window = "90m"
match = { tags = { tenant = "acme" } }
severity = { critical = 5 }
respond = { ladder = "daily", at = 90 }
[[anomaly]]
name = "plain"
metric = "spend"
per = "user"
respond = { ladder = "daily" }
[[detection]]
scope = "user"
floor = "$3"
enabled = false
""",
        "policy.toml",
    )
    screen = Console(width=200, file=StringIO())
    for part in tables_of(policy):
        screen.print(part)
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    for said in ("spend_per_hour of 90m above $2.5", "tenant=acme", "critical from 5", "steps of daily to 90 %",
                 "spend of an hour 2 standard deviations above the mean of 24h", "off, from $3 on"):  # fmt: skip
        assert said in text
    assert summary_of(policy).endswith("1 limit, 1 ladder, 2 rules of anomalies")
    assert doubts_about(policy) == [
        "anomaly 'busy': the steps of ladder 'daily' will hold for every call, as the rule has no `per`",
        "anomaly 'plain': a plain z-score finds any busy hour of a quiet day, and without `floor` changes calls",
    ]
