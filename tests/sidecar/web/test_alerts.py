"""The page of alerts: it shows what the API does, its forms write as the API does, and it keeps no secret."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from services.sinks import HttpSink, http_sink
from sidecar.api.world import World
from sidecar.web.visiting import Visitor, person
from tollkeeper.alerting.channel import Channel
from tollkeeper.model.alert import Alert
from tollkeeper.model.finding import FINDING_KINDS, Finding, severity_at

DAY = 86_400 * 10**9
ODD = "a*b[c], <img src=x onerror=alert(1)>"
SECRET = "https://hooks.slack.com/services/T0/B0/very-secret"
HTMX = {"HX-Request": "true"}
OF_FILE = Channel("on-call", "apprise", "env:PAGERDUTY_URL", at_least="critical")


@pytest.fixture(scope="module")
def sink() -> Iterator[HttpSink]:
    with http_sink() as found:
        yield found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sink: HttpSink) -> Iterator[World]:
    made = World(f"sqlite:///{tmp_path_factory.mktemp('alerts') / 'ledger.db'}", of_file=(OF_FILE,))
    for role in ("viewer", "editor", "admin"):
        person(made, role, role)
    rule = {"name": "busy", "type": "threshold", "metric": "requests_per_hour", "threshold": 500}
    daily = {"name": "daily", "limit": "$10 / day per tenant", "at": [80, 100]}
    limits = [daily, {"limit": "9 requests / minute"}, {"limit": "$1 / request"}]
    policy = {"limit": limits, "anomaly": [rule]}
    client = made.client("admin")
    assert client.put("/api/v1/policy", json={"document": policy, "reason": "limits"}).status_code == 200
    hook = {"kind": "webhook", "url": f"{sink.url}/hook?of=ours"}
    assert client.put("/api/v1/channels/hook", json=hook).status_code == 200
    look(made, finding(made, 85, "acme"), finding(made, 97, ODD), finding(made, 50, "globex"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def admin(world: World) -> Visitor:
    return Visitor(world).as_user("admin")


@pytest.fixture(scope="module")
def editor(world: World) -> Visitor:
    return Visitor(world).as_user("editor")


def finding(world: World, level: int, tenant: str) -> Finding:
    start = world.clock.nanoseconds() // DAY * DAY
    facts = {
        "measure": "usd", "amount": 10**10, "used": level * 10**8, "held": 0, "percent": float(level),
        "form": "$10 / day per tenant", "mode": "hard",
    }  # fmt: skip
    return Finding("limit", "daily", {"tenant": tenant}, severity_at(level), level, start, start + DAY, facts)


def look(world: World, *findings: Finding) -> None:
    world.alerts.look(findings, world.channels.all())


def api(world: World, path: str, **params: Any) -> Any:
    answer = world.client("admin").get(f"/api/v1{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def alert_of(world: World, tenant: str) -> Any:
    return next(each for each in api(world, "/alerts")["alerts"] if each["scope"]["tenant"] == tenant)


def send(visitor: Visitor, path: str, **fields: str | list[str]) -> Response:
    return visitor.post(path, data={"csrf_token": visitor.own_token(), **fields})


def test_what_fires_is_what_the_api_says_the_worst_first(world: World, editor: Visitor) -> None:
    page = editor.get("/alerts").text
    shown = [html.unescape(each) for each in re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', page)]
    told = {each["title"]: each for each in api(world, "/alerts", firing=True)["alerts"]}
    assert set(shown) == set(told)
    assert [told[each]["severity"] for each in shown] == ["critical", "warning", "info"]
    for each in told.values():
        assert f'value="{each["used"]}' in page and f'"/alerts/{each["id"]}"' in page
    assert "<img" not in page and "onerror=alert(1)&gt;" in page


def test_history_has_filters_and_they_are_kept(editor: Visitor) -> None:
    assert editor.get("/alerts?tab=history").text.count('data-label="Began"') == 3
    assert editor.get("/alerts?tab=history&severity=info&kind=limit").text.count('data-label="Began"') == 1
    page = editor.get("/alerts?tab=history&subject=<b>&state=over").text
    assert "Nothing has fired" in page and 'value="&lt;b&gt;"' in page


def test_history_has_what_began_before_its_range_and_fired_in_it(tmp_path: Path) -> None:
    made = World(f"sqlite:///{tmp_path / 'long.db'}")
    person(made, "ada", "viewer")
    look(made, Finding("emergency", "policy", {}, "emergency"))
    made.clock.now += timedelta(days=240)
    look(made)
    ada = Visitor(made).as_user("ada")
    assert "emergency mode" in ada.get("/alerts?tab=history&range=7d").text
    made.clock.now += timedelta(days=30)
    assert "Nothing has fired" in Visitor(made).as_user("ada").get("/alerts?tab=history&range=7d").text
    made.close()


def test_an_alert_is_a_page_and_a_drawer(world: World, editor: Visitor) -> None:
    alert = alert_of(world, "acme")
    page, drawer = editor.get(f"/alerts/{alert['id']}"), editor.get(f"/alerts/{alert['id']}", headers=HTMX)
    assert "<h1>Warning: daily at 85 % for tenant acme" in page.text and "/budgets/limit?name=daily" in page.text
    assert drawer.text.startswith('<dialog class="drawer" data-open') and "<h1>" not in drawer.text
    assert f'href="/alerts/{alert["id"]}">Open as a page' in drawer.text and 'name="back" value="firing"' in drawer.text
    assert ">hook</a>" in page.text and "Waiting" in page.text
    assert editor.get("/alerts/none").status_code == 404


def test_where_a_rule_is_from_is_a_link_if_it_is_an_address(tmp_path: Path) -> None:
    made = World(f"sqlite:///{tmp_path / 'rules.db'}")
    person(made, "ada", "viewer")
    links = ("javascript:alert(1)", "https://prometheus.example/graph?g0")
    look(made, *(Finding("rule", f"r{n}", {}, "warning", facts={"link": link}) for n, link in enumerate(links)))
    ada = Visitor(made).as_user("ada")
    pages = [ada.get(f"/alerts/{each['id']}").text for each in api(made, "/alerts")["alerts"]]
    assert not any('href="javascript:' in page for page in pages)
    assert ['href="https://prometheus.example/graph?g0"' in page for page in pages].count(True) == 1
    made.close()


def test_an_alert_is_acknowledged_by_whoever_is_signed_in(world: World, editor: Visitor) -> None:
    alert = alert_of(world, "globex")
    answer = send(editor, f"/alerts/{alert['id']}/acknowledge", reason="on it", back="firing")
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
    assert alert_of(world, "globex")["acknowledged_by"] == "editor"
    assert "acknowledged by editor" in editor.get("/alerts").text
    (entry, *_) = api(world, "/audit", author="editor")["changes"]
    assert entry["reason"] == "on it"


def test_one_that_is_over_cannot_be_acknowledged(world: World, editor: Visitor) -> None:
    going = [finding(world, 85, "acme"), finding(world, 97, ODD), finding(world, 50, "globex")]
    look(world, *going, finding(world, 60, "gone")._replace(period_end=world.clock.nanoseconds()))
    look(world, *going)
    alert = alert_of(world, "gone")
    answer = send(editor, f"/alerts/{alert['id']}/acknowledge")
    assert answer.status_code == 409 and "It is over already" in answer.text


def test_a_silence_from_an_alert_means_it_and_no_other(world: World, editor: Visitor) -> None:
    page = editor.get(f"/alerts/{alert_of(world, ODD)['id']}").text
    (link,) = re.findall(r'href="(/alerts/new-silence[^"]*)"', page)
    form = editor.get(html.unescape(link)).text
    assert "<b>1</b> of what fires now is meant" in form
    filled = re.findall(r'name="(match-\w+)" value="([^"]*)" (?:checked|placeholder)', form)
    said = {name: html.unescape(value) for name, value in filled}
    refused = send(editor, "/alerts/silences", **said, duration="4h")
    assert refused.status_code == 422 and "Say why" in refused.text and "limit" in refused.text
    assert send(editor, "/alerts/silences", **said, duration="4h", comment="known <b>").status_code == 303
    assert [each["muted"] for each in api(world, "/alerts", firing=True)["alerts"]].count(True) == 1
    assert alert_of(world, ODD)["muted"]
    listed = editor.get("/alerts?tab=silences").text
    assert "known &lt;b&gt;" in listed
    (id,) = re.findall(r"/alerts/silences/(\d+)/end", listed)
    assert send(editor, f"/alerts/silences/{id}/end").status_code == 303
    assert not alert_of(world, ODD)["muted"]
    assert "known &lt;b&gt;" in editor.get("/alerts?tab=silences&ended=yes").text


def test_a_silence_lasts_until_the_next_morning_of_the_zone(world: World, editor: Visitor) -> None:
    form = editor.get("/alerts/new-silence?zone=Europe/Berlin").text
    assert "until 08:00 tomorrow (Europe/Berlin)" in form and "?zone=Europe/Berlin" in form
    said = {"match-tenant": "nobody", "duration": "tomorrow", "comment": "night"}
    assert send(editor, "/alerts/silences?zone=Europe/Berlin", **said).status_code == 303
    (silence,) = api(world, "/silences")["silences"]
    assert silence["ends_at"] == "2026-04-01T06:00:00Z"
    assert send(editor, f"/alerts/silences/{silence['id']}/end").status_code == 303


def test_a_silence_of_nothing_is_refused(editor: Visitor) -> None:
    answer = send(editor, "/alerts/silences", comment="all", duration="4h")
    assert answer.status_code == 422 and "expected at least one of" in answer.text
    strange = send(editor, "/alerts/silences", comment="x", duration="4h", **{"match-kind": "limt"})
    assert strange.status_code == 422 and "expected one of limit, forecast, emergency" in strange.text
    assert "Fill in at least one field" in editor.get("/alerts/matching").text


def test_rules_are_those_of_the_policy(world: World, editor: Visitor) -> None:
    page = editor.get("/alerts?tab=rules").text
    assert "/budgets/edit?name=daily" in page and "above 500" in page
    assert re.findall(r'data-label="Told at">([^<]*)<', page) == [
        "80, 100 %", "100 %", "never: it binds each call by itself",
    ]  # fmt: skip
    told = {each["form"]: each["thresholds"] for each in api(world, "/limits/usage")["limits"]}
    assert told == {"$10 / day per tenant": [80, 100], "9 requests / minute": [100], "$1 per request": []}


def test_a_secret_that_is_pasted_is_neither_kept_nor_shown(world: World, admin: Visitor) -> None:
    form = admin.get("/alerts/new-channel?service=slack").text
    assert "export SLACK_URL=" in form and 'value="SLACK_URL"' in form
    answer = send(admin, "/alerts/channels", service="slack", name="team", url=SECRET, at_least="critical")
    assert answer.status_code == 422 and "very-secret" not in answer.text
    assert "stores no secrets" in answer.text and 'value="SLACK_URL"' in answer.text
    assert "very-secret" not in repr(api(world, "/audit", limit=1000))


def test_the_address_for_mails_is_put_together_without_its_password(admin: Visitor) -> None:
    said = {"service": "mail", "host": "mx.example:587", "user": "a@b'c", "from": "x@y", "to": "<i>@z"}
    page = html.unescape(admin.get("/alerts/new-channel", params=said).text)
    assert "export MAIL_URL='mailtos://a%40b%27c:PASSWORD@mx.example:587?from=x%40y&to=%3Ci%3E%40z'" in page
    assert "@smtp.example.com?" in admin.get("/alerts/new-channel?service=mail&host=a/b").text


def test_a_channel_is_added_tried_and_removed(world: World, admin: Visitor) -> None:
    fields = {"service": "slack", "name": "team", "url": "NO_SUCH_URL", "at_least": "warning", "repeat": "4h",
              "resolved": "yes", "via": "direct", "match-tenant": "acme, glob*", "reason": "to know"}  # fmt: skip
    assert send(admin, "/alerts/channels", **fields).headers["location"] == "/alerts/channels/team"
    page = admin.get("/alerts/channels/team").text
    assert "<dd>Slack</dd>" in page and "Nothing can be told here yet" in page and "export NO_SUCH_URL=" in page
    listed = admin.get("/alerts?tab=channels").text
    assert "Cannot be told" in listed and "environment variable NO_SUCH_URL is not set" in listed
    assert "Alerts do not reach on-call, team." in admin.get("/").text
    assert "Alerts do not reach team: environment variable NO_SUCH_URL" in admin.get("/settings?tab=health").text
    form = admin.get("/alerts/channels/team/edit").text
    assert "incoming webhook" in form and "export NO_SUCH_URL=" in form
    made = api(world, "/channels/team")
    assert (made["kind"], made["url"], made["repeat"]) == ("slack", "env:NO_SUCH_URL", 14_400)
    assert made["only"] == {"tenant": ["acme", "glob*"]}
    assert "There is a channel team already" in send(admin, "/alerts/channels", **fields).text
    tried = send(admin, "/alerts/channels/team/test")
    assert "NO_SUCH_URL is not set" in tried.text and "start the sidecar again" in tried.text
    assert send(admin, "/alerts/channels/team/remove", reason="no").status_code == 303
    assert [each["name"] for each in api(world, "/channels")["channels"]] == ["on-call", "hook"]


def test_a_channel_that_is_there_keeps_its_kind_and_shows_its_service(world: World, admin: Visitor) -> None:
    old = {"url": "env:OLD_SLACK", "at_least": "critical"}
    assert world.client("admin").put("/api/v1/channels/old", json=old).status_code == 200
    form = admin.get("/alerts/channels/old/edit").text
    assert "export OLD_SLACK='https://hooks.slack.com" in form and "Rocket.Chat" not in form
    assert "critical and emergency" in admin.get("/alerts/channels/old").text
    seen = re.findall(r'name="seen" value="(\w+)"', form)[0]
    fields = {"seen": seen, "url": "env:OLD_SLACK", "at_least": "warning", "repeat": "1h", "resolved": "yes"}
    assert send(admin, "/alerts/channels/old", **fields, via="direct", do="save").status_code == 303
    assert api(world, "/channels/old")["kind"] == "apprise"
    assert send(admin, "/alerts/channels/old/remove", reason="no").status_code == 303


def test_what_is_wrong_with_a_channel_is_told_and_the_rest_kept(admin: Visitor) -> None:
    fields = {"service": "webhook", "name": "odd", "url": "https://example.com/x", "match-kind": "limt", "repeat": "1y"}
    answer = send(admin, "/alerts/channels", **fields, reason="so that <we> know")
    assert answer.status_code == 422 and "one of limit, forecast" in answer.text and "30 days" in answer.text
    marked = re.findall(r'<(?:input|fieldset)[^>]*aria-invalid="true" aria-describedby="wrong-([\w-]+)"', answer.text)
    assert marked == ["match-kind", "repeat"] and 'class="more-fields" open' in answer.text
    assert 'value="https://example.com/x"' in answer.text and 'value="so that &lt;we&gt; know"' in answer.text
    template = send(admin, "/alerts/channels", **{**fields, "match-kind": "limit", "repeat": "1h"}, title="{{")
    assert template.status_code == 422 and 'id="wrong-title"' in template.text
    own = send(admin, "/alerts/channels", **{**fields, "url": "https://u:hidden@example.com/x", "secret": "hidden"})
    assert own.status_code == 422 and "hidden@" not in own.text and 'value="hidden"' not in own.text


def test_a_change_is_reviewed_and_the_address_stays(world: World, admin: Visitor, sink: HttpSink) -> None:
    form = admin.get("/alerts/channels/hook/edit").text
    assert "of=ours" not in form
    fields = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)}
    fields = {"seen": fields["seen"], "url": fields["url"], "repeat": "1h", "resolved": "yes", "via": "direct"}
    reviewed = send(admin, "/alerts/channels/hook", **fields, at_least="critical", do="review")
    assert "<del>info</del>" in reviewed.text and "<ins>critical</ins>" in reviewed.text
    assert api(world, "/channels/hook")["at_least"] == "info"
    assert send(admin, "/alerts/channels/hook", **fields, at_least="critical", do="save").status_code == 303
    assert "answered 200" in send(admin, "/alerts/channels/hook/test").text
    assert sink.requests[-1].path == "/hook?of=ours"
    late = send(admin, "/alerts/channels/hook", **fields, at_least="warning", do="save")
    assert (
        late.status_code == 409 and "Somebody else has changed it" in late.text and "<del>critical</del>" in late.text
    )
    assert api(world, "/channels/hook")["at_least"] == "critical"


def test_kinds_of_alerts_are_ticked_and_a_review_says_them_in_words(world: World, admin: Visitor) -> None:
    odd = {"kind": "webhook", "url": "https://example.com/x", "only": {"kind": ["stale*"]}}
    assert world.client("admin").put("/api/v1/channels/odd", json=odd).status_code == 200
    form = admin.get("/alerts/channels/odd/edit").text
    assert re.findall(r'name="match-kind" value="(\w+)"', form) == list(FINDING_KINDS)
    assert re.findall(r'name="match-kind" value="(\w+)" checked', form) == ["stale_prices"]
    fields = {"url": "https://example.com/…", "at_least": "info", "repeat": "1h", "resolved": "yes", "via": "direct"}
    path, said = "/alerts/channels/odd", {**fields, "seen": re.findall(r'name="seen" value="(\w+)"', form)[0]}
    assert "Nothing is different" in send(admin, path, **said, **{"match-kind": "stale_prices"}).text
    refused = send(admin, path, **{**said, "repeat": "1y"})
    assert refused.status_code == 422 and 'id="wrong-repeat"' in refused.text and "different" not in refused.text
    review = send(admin, path, **said, **{"match-kind": ["limit", "forecast"]}).text
    assert "<ins>A budget or limit fills, A budget or limit will not last</ins>" in review
    kept = {
        name: html.unescape(value)
        for name, value in re.findall(r'type="hidden" name="([\w-]+)" value="([^"]*)"', review)
    }
    back = send(admin, path, **kept, do="form", reason="for them").text
    assert back.count(" checked>") == 3 and 'name="reason" value="for them"' in back
    assert send(admin, path, **kept, do="save", reason="for them").status_code == 303
    assert api(world, "/channels/odd")["only"] == {"kind": ["limit", "forecast"]}
    assert send(admin, f"{path}/remove", reason="no").status_code == 303


def test_what_the_form_of_a_service_does_not_ask_for_stays(world: World, admin: Visitor) -> None:
    cluster = {"kind": "alertmanager", "url": "http://am:9093", "repeat": "4h"}
    assert world.client("admin").put("/api/v1/channels/cluster", json=cluster).status_code == 200
    form = admin.get("/alerts/channels/cluster/edit").text
    said = dict(re.findall(r'name="(seen|url)" value="([^"]*)"', form)) | {"resolved": "yes"}
    assert "Nothing is different" in send(admin, "/alerts/channels/cluster", **said, at_least="info").text
    rows = re.findall("<del>(.*)</del>", send(admin, "/alerts/channels/cluster", **said, at_least="warning").text)
    assert rows == ["info"]
    assert send(admin, "/alerts/channels/cluster/remove", reason="no").status_code == 303


def test_a_channel_of_the_file_is_read_only(admin: Visitor) -> None:
    page = admin.get("/alerts/channels/on-call").text
    assert "in the sidecar's file of channels" in html.unescape(page) and "/on-call/edit" not in page
    answer = send(admin, "/alerts/channels/on-call/remove", reason="x")
    assert answer.status_code == 409 and "changed there" in answer.text


def test_what_was_not_delivered_is_tried_again(world: World, editor: Visitor) -> None:
    (message,) = world.outbox.claim(1, set())
    world.outbox.finish(message.id, "refused", "answered 401 <Unauthorized>")
    page = editor.get("/alerts?tab=channels&state=dead").text
    assert "answered 401 &lt;Unauthorized&gt;" in page and f"/alerts/messages/{message.id}/retry" in page
    away = {"back": "https://evil.example/alerts"}
    assert send(editor, f"/alerts/messages/{message.id}/retry", **away).headers["location"] == "/alerts?tab=channels"
    assert api(world, "/notifications", state="dead")["notifications"] == []


def test_a_summary_is_of_no_alert(world: World, editor: Visitor) -> None:
    told = Finding("digest", "weekly", {}, "info", facts={"title": "Weekly digest <b>", "body": "Spent nothing."})
    now = world.clock.nanoseconds()
    assert world.alerts.tell_once(Alert("digest-weekly", told, now, now, now), "hook")
    page = editor.get("/alerts?tab=channels").text
    assert "summary or report" in page and re.search(r">Weekly digest &lt;b&gt;\s*</td>", page)


def test_a_viewer_sees_and_is_shown_no_button(world: World) -> None:
    viewer = Visitor(world).as_user("viewer")
    id = alert_of(world, "acme")["id"]
    for path in ("/alerts", f"/alerts/{id}", *(f"/alerts?tab={tab}" for tab in ("silences", "rules", "channels"))):
        page = viewer.get(path)
        assert page.status_code == 200 and "Acknowledge</" not in page.text and "Send an example" not in page.text
        assert 'method="post" action="/alerts' not in page.text


def test_pages_are_shown_while_parts_are_missing(tmp_path: Path) -> None:
    made = World(f"sqlite:///{tmp_path / 'empty.db'}")
    person(made, "ada", "admin")
    ada = Visitor(made).as_user("ada")
    assert "Nothing fires" in ada.get("/alerts").text and "No limits" in ada.get("/alerts?tab=rules").text
    assert "Nobody is told yet" in ada.get("/alerts?tab=channels").text
    assert "No silence holds" in ada.get("/alerts?tab=silences").text
    made.close()
