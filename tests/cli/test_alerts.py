"""`tollkeeper alerts` and `channels`, as somebody at a terminal sees them, and the typed client under them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.telling import Tell
from services.sinks import HttpSink, http_sink
from sidecar.api.test_alerts import finding, look
from sidecar.api.world import World
from tollkeeper import Client
from tollkeeper.client import NotFound

SECRET = "secret-part-of-a-path"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("cli")
    made = World(f"sqlite:///{folder / 'ledger.db'}")
    yield made
    made.close()


@pytest.fixture
def web() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink


def test_a_channel_from_its_making_to_its_end(tell: Tell, web: HttpSink, tmp_path: Path) -> None:
    assert tell("channels").out == "No channels: nobody is told of anything.\n"
    made = tell(
        "channels", "set", "hook", "--kind", "webhook", "--to", f"{web.url}/{SECRET}", "--at-least", "warning",
        "--only", "tenant=acme", "--only", "tenant=globex", "--repeat", "0", "--no-resolved",
    )  # fmt: skip
    assert (made.code, made.out) == (0, f"hook is set: webhook, {web.url}/…\n")
    assert tell("channels", "list").rows == [
        ["hook", "webhook", f"{web.url}/…", "warning", "tenant=acme|globex", "direct"]
    ]
    shown = tell("channels", "show", "hook")
    assert ["repeat", "never"] in shown.rows and ["resolved", "not told"] in shown.rows
    tried = tell("channels", "test", "hook")
    assert (tried.code, tried.out.splitlines()[:3]) == (
        0, ["sent: answered 200 OK", "", "Warning: example at 85 % for tenant acme"],
    )  # fmt: skip
    web.status = 401
    refused = tell("channels", "test", "hook", "--json")
    assert (refused.code, json.loads(refused.out)["outcome"]) == (1, "refused")
    assert len(web.requests) == 2
    assert tell("channels", "remove", "hook", "--reason", "gone").out == "hook is removed.\n"
    assert tell("channels", "test", "hook").err == "tollkeeper channels: there is no channel 'hook'\n"
    literal = tell("channels", "set", "chat", "--to", f"slack://{SECRET}")
    assert literal.code == 1 and "expected a reference" in literal.err
    assert SECRET not in f"{made}{shown}{tried}{refused}{literal}"
    assert tell("channels", "set", "chat", "--to", "env:A", "--only", "acme").code == 1


def test_a_file_of_channels_is_checked_and_set(tell: Tell, tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    file.write_text(
        '[channels.ops]\nurl = "env:OPS"\n[channels.cluster]\nkind = "alertmanager"\nurl = "http://am:9093"\n'
    )
    assert tell("channels", "check", str(file)) == (0, f"{file}: 2 channels\n", "")
    done = tell("channels", "set", str(file))
    assert done.out.splitlines() == ["ops is set: apprise, env:OPS", "cluster is set: alertmanager, http://am:9093/…"]
    for name in ("ops", "cluster"):
        assert tell("channels", "remove", name).code == 0
    file.write_text(f'[channels.ops]\nurl = "slakc://{SECRET}"\nrepeat = "often"\n')
    wrong = tell("channels", "check", str(file))
    assert (wrong.code, wrong.out, len(wrong.err.splitlines())) == (2, "", 2)
    assert wrong.err.startswith(f"{file}:2: channels.ops.url: 'slakc://…'; expected a service that may be used")
    assert tell("channels", "set", str(file)).code == 2
    file.write_text('[channels.ops]\nurl = "env:OPS"\ntitle = "{{ used"\n')
    assert tell("channels", "check", str(file)).err.startswith(f"{file}: channels.ops.title: line 1: ")
    assert tell("channels", "check", str(tmp_path / "none.toml")).code == 2


def test_alerts_are_seen_taken_on_silenced_and_tried_again(tell: Tell, world: World) -> None:
    assert tell("alerts").out == "No alerts.\n"
    tell("channels", "set", "ops", "--kind", "webhook", "--to", "https://ops.example")
    look(world, finding(world, 85), finding(world, 95, "globex"))
    (first, second) = sorted(tell("alerts").rows, key=lambda row: row[1])
    assert first[1:] == ["critical", "daily at 95 % for tenant globex", "2026-03-31 14:30:15Z", "fires"]
    assert second[2] == "daily at 85 % for tenant acme"
    assert len(tell("alerts", "list", "--severity", "critical", "--all").rows) == 1
    seen = tell("alerts", "ack", second[0], "--reason", "on it").out.splitlines()
    assert seen[:4] == [
        "Warning: daily at 85 % for tenant acme",
        f"{second[0]}, since 2026-03-31 14:30:15Z: taken on by a test",
        "used: $8.5 of $10 ($10 / day per tenant)",
        "period: 2026-03-31 00:00:00Z to 2026-04-01 00:00:00Z",
    ]
    for told in world.outbox.claim():
        world.outbox.finish(told.id, "refused", "answered 404 Not Found")
    (dead,) = tell("alerts", "log", "--state", "dead", "--alert", second[0]).rows
    assert dead[2:] == [
        "ops", "fired", "Warning: daily at 85 % for tenant acme", "dead", "1", "answered 404 Not Found",
    ]  # fmt: skip
    assert tell("alerts", "retry", dead[0]).out == f"{dead[0]} waits, and is sent within seconds.\n"
    assert tell("alerts", "retry", dead[0]).code == 1
    assert tell("alerts", "silence", "limit=dai*", "--for", "2h", "--comment", "planned").out == (
        "Silence 1 (limit=dai*) holds until 2026-03-31 16:30:15Z.\n"
    )
    assert tell("alerts", "silences").rows[0][:2] == ["1", "limit=dai*"]
    assert {row[4] for row in tell("alerts").rows} == {"muted", "taken on by a test, muted"}
    assert tell("alerts", "unsilence", "1").out == ("Silence 1 (limit=dai*) ends at 2026-03-31 14:30:15Z.\n")
    assert tell("alerts", "silences").out == "No silences.\n"
    wrong = tell("alerts", "silence", "limti=x", "--for", "2h", "--comment", "planned")
    assert wrong.err == "tollkeeper alerts: 'limti' is no selector; did you mean 'limit'?\n"
    assert tell("alerts", "silence", "daily", "--for", "2h", "--comment", "planned").code == 1


def test_the_client_asks_the_same(world: World, url: str, web: HttpSink) -> None:
    with Client(url, world.key("admin")) as client:
        made = client.set_channel("typed", {"kind": "webhook", "url": web.url, "only": {"tenant": ["acme"]}})
        assert (made.url, made.only, client.channel("typed")) == (f"{web.url}/…", {"tenant": ["acme"]}, made)
        assert client.test_channel("typed").outcome == "sent"
        assert "typed" in {channel.name for channel in client.channels().channels}
        assert client.remove_channel("typed", reason="gone") == made
        silence = client.silence({"tenant": "acme", "kind": ["limit"]}, comment="x", ends_at="2026-04-01T00:00:00Z")
        assert silence in client.silences().silences
        assert client.end_silence(silence.id) in client.silences(ended=True).silences
        assert all(alert.firing for alert in client.alerts(firing=True, kind="limit", limit=5).alerts)
        assert client.notifications(channel="nobody").notifications == []
        for ask in (client.alert, client.acknowledge_alert, client.retry_notification):
            with pytest.raises(NotFound):
                ask("none")
