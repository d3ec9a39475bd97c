"""The page of settings: keys are shown once, users are changed by admins, the trail is told, secrets are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text

from sidecar.api.world import NOW, World, failed, make_call
from sidecar.web.visiting import Visitor, person, site_of
from tollkeeper.client.observing import ProviderKey
from tollkeeper.config import load_serve
from tollkeeper.sidecar.api import DatabaseState, build
from tollkeeper.sidecar.web.app import Web
from tollkeeper.sidecar.web.pages.settings.audit import differences
from tollkeeper.sidecar.web.pages.settings.providers import keys_in_use

SECRET = "pa55word"
KEY = re.compile(r'<code id="new-key">(tk_[^<]+)</code>')


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(f"sqlite:///{tmp_path_factory.mktemp('settings') / 'ledger.db'}")
    for role in ("viewer", "editor", "admin"):
        person(made, role, role)
    made.record(make_call(1), failed(2, provider="anthropic", request_model="<b>claude</b>", response_model=None))
    yield made
    made.close()


@pytest.fixture(scope="module")
def admin(world: World) -> Visitor:
    return Visitor(world).as_user("admin")


def send(visitor: Visitor, path: str, **fields: str) -> Response:
    return visitor.post(path, data={"csrf_token": visitor.own_token(), **fields})


def text_of(page: str) -> str:
    """Without tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def api(world: World, path: str, **params: Any) -> Any:
    return world.client("admin").get(f"/api/v1{path}", params=params).json()


def test_providers_are_those_of_the_api_and_no_key_is_kept(world: World, admin: Visitor) -> None:
    page = admin.get("/settings").text
    status = api(world, "/status")
    assert page.count('class="severity good">✓ in use') == status["configured_count"] == 2
    assert page.count('data-label="How to begin"') == status["total_providers"] - 2
    assert page.count("✓ accepted") == 1 and "not reported" in page
    assert "stores no provider keys" in page and "MISTRAL_API_KEY" in page
    assert "&lt;b&gt;claude" in page and "<b>claude" not in page


def test_whether_a_key_is_set_is_what_apps_say(world: World, admin: Visitor) -> None:
    client = world.client("write")
    for service, last in (("shop", "oldK"), ("<i>search</i>", "newK")):
        keys = [
            {"variable": "ANTHROPIC_API_KEY", "is_set": True, "last_four": last},
            {"variable": "GROQ_API_KEY", "is_set": False},
            {"variable": "OPENAI_API_KEY", "is_set": False},
        ]
        assert client.post("/api/v1/provider-keys", json={"service": service, "keys": keys}).status_code == 200
    page = " ".join(re.sub(r"<[^>]*>", " ", admin.get("/settings").text).split())
    assert "✓ set ANTHROPIC_API_KEY …oldK, in shop" in page and "not set OPENAI_API_KEY , in " in page
    assert "✓ set ANTHROPIC_API_KEY …newK, in &lt;i&gt;search&lt;/i&gt;" in page
    assert "groq not set Set GROQ_API_KEY" in page and "ollama – Start" in page


def told(hours_ago: int, last_four: str | None, service: str = "shop") -> ProviderKey:
    at = NOW - timedelta(hours=hours_ago)
    return ProviderKey(
        provider="openai", variable="OPENAI_API_KEY", service=service, is_set=last_four is not None,
        last_four=last_four, told_at=at,
    )  # fmt: skip


def test_a_key_that_was_exchanged_is_over_after_a_day() -> None:
    assert [each.last_four for each in keys_in_use([told(1, "newK"), told(3, "oldK")])] == ["newK", "oldK"]
    assert [each.last_four for each in keys_in_use([told(1, "newK"), told(26, "oldK")])] == ["newK"]
    (both,) = keys_in_use([told(2, "same"), told(1, "same", "search"), told(1, None, "batch")])
    assert (both.services, both.is_set) == (["search", "shop"], True)
    (none,) = keys_in_use([told(1, None), told(40, "oldK")])
    assert not none.is_set


def test_a_key_is_shown_once_and_good_until_it_is_revoked(world: World, admin: Visitor) -> None:
    made = send(admin, "/settings/keys", name="<i>grafana</i>", scope="read", expires="30", reason="dashboards")
    (key,) = KEY.findall(made.text)
    assert made.headers["cache-control"] == "no-store" and "<i>grafana" not in made.text
    again = admin.get("/settings?tab=access").text
    assert "read Sees costs, calls, limits and alerts; changes nothing." in text_of(again)
    assert key not in again and "&lt;i&gt;grafana" in again
    bearer = {"Authorization": f"Bearer {key}"}
    assert world.client().get("/api/v1/stats", headers=bearer).status_code == 200
    prefix = key.split("_")[1]
    assert send(admin, f"/settings/keys/{prefix}/revoke", reason="lost").status_code == 303
    assert world.client().get("/api/v1/stats", headers=bearer).status_code == 401
    (entry, *_) = api(world, "/audit", kind="access_key", object_id=prefix)["changes"]
    assert (entry["author"], entry["reason"]) == ("admin", "lost")


def test_a_key_without_a_name_is_refused_and_the_rest_kept(admin: Visitor) -> None:
    answer = send(admin, "/settings/keys", name="", scope="edit", expires="90")
    assert answer.status_code == 422 and "Not saved" in answer.text
    assert re.search(r'value="edit" selected', answer.text) and re.search(r'value="90" selected', answer.text)


def test_a_user_is_made_changed_and_shut_out(world: World, admin: Visitor) -> None:
    short = send(admin, "/settings/users", name="Grace", role="editor", password="short")
    assert short.status_code == 422 and 'value="Grace"' in short.text and 'value="short"' not in short.text
    assert send(admin, "/settings/users", name="Grace", role="editor", password="of some length").status_code == 303
    grace = Visitor(world).as_user("grace", "of some length")
    taken = send(admin, "/settings/users", name="grace", role="viewer", password="of some length")
    assert taken.status_code == 409 and "there is a user grace already" in taken.text
    reset = send(admin, "/settings/users/grace/password", password="of other length", version="1", reason="lost")
    assert reset.status_code == 303 and not grace.is_in
    late = send(admin, "/settings/users/grace", role="admin", version="1", reason="late")
    assert late.status_code == 409 and "not at 1 any more" in late.text
    grace = Visitor(world).as_user("grace", "of other length")
    assert (
        send(admin, "/settings/users/grace", role="editor", active="no", version="2", reason="left").status_code == 303
    )
    assert not grace.is_in and not api(world, "/users/grace")["active"]


def test_the_last_admin_cannot_shut_everybody_out(admin: Visitor) -> None:
    answer = send(admin, "/settings/users/admin", role="admin", active="no", version="1", reason="bye")
    assert answer.status_code == 409 and "Not saved" in answer.text
    assert "admin is the last active admin; make somebody else an admin first" in answer.text and admin.is_in


def test_somebody_signed_in_can_be_signed_out(world: World, admin: Visitor) -> None:
    person(world, "ada", "viewer")
    first, second = Visitor(world).as_user("ada"), Visitor(world).as_user("ada")
    assert "in 2 browsers" in first.get("/settings?tab=access").text
    assert send(first, "/settings/sign-out-elsewhere").status_code == 303
    assert first.is_in and not second.is_in
    assert send(admin, "/settings/users/ada/sign-out").status_code == 303
    assert not first.is_in


def test_ones_own_password_is_changed_by_the_one_that_is_good(world: World) -> None:
    person(world, "lin", "viewer")
    lin = Visitor(world).as_user("lin")
    fields = {"current": "correct horse battery", "password": "another horse"}
    assert "are not the same" in send(lin, "/settings/own-password", **fields, again="another cow").text
    wrong = send(lin, "/settings/own-password", current="no", password="another horse", again="another horse")
    assert wrong.status_code == 422 and "another horse" not in wrong.text
    assert send(lin, "/settings/own-password", **fields, again="another horse").status_code == 303
    Visitor(world).as_user("lin", "another horse")


def test_whoever_is_no_admin_sees_their_own_account_only(world: World) -> None:
    viewer = Visitor(world).as_user("viewer")
    page = viewer.get("/settings?tab=access").text
    assert "Keys and users are for admins" in page and "/settings/keys" not in page and "/settings/users" not in page
    assert "Change your password" in page and "for admins" in viewer.get("/settings?tab=recording").text
    assert "needed is edit" in viewer.get("/settings?tab=audit").text
    health = text_of(viewer.get("/settings?tab=health").text)
    assert "Schema" in health and "Calls are kept" not in health


def test_options_are_shown_with_where_they_are_set_and_without_secrets(tmp_path: Path, world: World) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[sidecar]\nretention_days = 400\n")
    given = {"ledger": f"postgresql://me:{SECRET}@db/x?password={SECRET}", "forward_headers": f"x={SECRET}"}
    services = replace(world.services, settings=load_serve(given, file))
    visitor = Visitor(world, site=site_of(world, services))
    found = {each["name"]: each for each in _settings(build(services), world)}
    assert found["retention_days"]["value"] == 400 and found["retention_days"]["set_by"].endswith("retention_days")
    assert found["ledger"]["set_by"] == "tollkeeper serve --ledger"
    assert found["ledger"]["value"] == "postgresql://…@db/x?password=…"
    assert found["forward_headers"]["value"] == "…" and SECRET not in repr(found)
    assert (found["port"]["is_default"], found["port"]["set_by"]) == (True, None)
    assert visitor.get("/settings").status_code == 303


def _settings(app: Any, world: World) -> Any:
    bearer = {"Authorization": f"Bearer {world.key('admin')}"}
    return TestClient(app, base_url="http://tollkeeper.example").get("/settings", headers=bearer).json()["settings"]


def test_recording_says_what_is_in_force_and_how_apps_are_set(world: World, admin: Visitor) -> None:
    page = admin.get("/settings?tab=recording").text
    for name in (each["name"] for each in api(world, "/settings")["settings"]):
        assert f"<code>{name}</code>" in page
    assert "for ever" in page and "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT" in page


def test_the_trail_has_filters_pages_and_differences(world: World, admin: Visitor) -> None:
    for number in range(60):
        hook = {
            "kind": "webhook",
            "url": "https://x.example",
            "repeat": 60 * (number + 1),
            "reason": f"<u>{number}</u>",
        }
        world.client("admin").put("/api/v1/channels/hook", json=hook)
    page = admin.get("/settings?tab=audit&kind=channel&author=a test").text
    assert page.count('data-label="When"') == 50 and "&lt;u&gt;59&lt;/u&gt;" in page
    assert "<del>3540</del>" in page and "<ins>3600</ins>" in page
    (older,) = re.findall(r'href="([^"]*cursor=[^"]*)"', page)
    assert admin.get(older.replace("&amp;", "&")).text.count('data-label="When"') == 10
    assert "Nothing was changed" in admin.get("/settings?tab=audit&author=nobody").text


def test_a_trail_that_was_tampered_with_is_told(tmp_path: Path) -> None:
    made = World(f"sqlite:///{tmp_path / 'ledger.db'}")
    person(made, "ada", "admin")
    ada = Visitor(made).as_user("ada")
    assert "<b>Sound.</b>" in ada.get("/settings?tab=audit&verify=yes").text
    with made.database.write() as connection:
        for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("UPDATE audit_log SET reason = 'other' WHERE id = 1"))
    assert "Broken at entry 1" in ada.get("/settings?tab=audit&verify=yes").text
    made.close()


def test_differences_are_told_by_their_paths() -> None:
    before = {"policy": {"name": "a"}, "limit": [{"name": "daily", "limit": "$1"}, {"name": "gone", "limit": "$2"}]}
    after = {"policy": {"name": "a"}, "limit": [{"name": "daily", "limit": "$3"}], "set_at": 1_763_700_000 * 10**9}
    assert differences(before, after) == (
        ("limit.daily.limit", "$1", "$3"),
        ("limit.gone.limit", "$2", "–"),
        ("limit.gone.name", "gone", "–"),
        ("set_at", "–", "2025-11-21 04:40:00+00:00"),
    )
    assert differences(None, "x") == (("value", "–", "x"),) and differences(None, None) == ()
    assert differences({"a": None}, {"a": None, "b": None, "c": ["x", "y"]}) == (("c", "–", "x, y"),)


def test_the_trail_names_what_was_changed(world: World, admin: Visitor) -> None:
    client = world.client("admin")
    less = {"kind": "discount", "provider": "vllm", "model": "*", "tenant": "acme", "percent": "10", "reason": "agreed"}
    assert client.post("/api/v1/prices", json=less).status_code == 201
    silence = {"match": {"tenant": ["globex"]}, "duration": "1h", "comment": "they move"}
    assert client.post("/api/v1/silences", json=silence).status_code == 200
    for amount in (1, 2):
        document = {"limit": [{"name": "acme-daily", "limit": f"${amount} / day"}]}
        client.put("/api/v1/policy", json={"document": document, "reason": "<i>why</i>"})
    page = text_of(admin.get("/settings?tab=audit").text)
    assert "add discount vllm for acme id 1" in page and "percent – 10 provider – vllm" in page
    assert "recorded at" not in page.partition("add discount")[2].partition("Entry")[0], "the entry says it"
    assert "silence tenant globex id 1" in page
    assert "set policy limit acme-daily version 2 &lt;i&gt;why&lt;/i&gt; 1 difference" in page
    assert "limit acme-daily: how much $1 / day $2 / day" in page
    client.put("/api/v1/channels/plain", json={"kind": "webhook", "url": "https://x.example"})
    assert "create channel plain – " in text_of(admin.get("/settings?tab=audit").text), "no reason is made up"


def test_where_people_sign_in_is_told_as_it_is(world: World) -> None:
    def made(name: str, origin: str = "http://tollkeeper.example", **changes: Any) -> str:
        """What is told to an admin who adds somebody, of a sidecar that is like this one but for these."""
        services = replace(world.services, **changes)
        site = Web(services, build(services), None).app
        visitor = Visitor(world, site=site, base_url=origin, client=("127.0.0.1", 40_000))
        if not visitor.is_in:
            visitor.as_user("admin")
        fields = {"name": name, "role": "viewer", "password": "of some length"}
        token = visitor.token("/settings?tab=access")
        answer = visitor.post("/settings/users", data={"csrf_token": token, **fields}, headers={"Origin": origin})
        assert answer.status_code == 303, answer.text
        return text_of(visitor.get("/settings?tab=access").text)

    assert "Ann can sign in now, at http://tollkeeper.example/sign-in" in made("Ann")
    public = load_serve({"public_url": "https://money.example.com/"})
    assert "Bob can sign in now, at https://money.example.com/sign-in" in made("Bob", settings=public)
    local = made("Cy", "http://127.0.0.1:4318", open_on_loopback=True)
    assert "Cy is known now. Nobody signs in yet" in local and "--host 0.0.0.0" in local and "at http" not in local
    assert "was started with --require-keys false" in made("Di", open_to_all=True)


def test_health_says_what_needs_a_look(world: World, admin: Visitor) -> None:
    page = admin.get("/settings?tab=health").text
    assert "Calls are kept for ever" in text_of(page)
    overview = api(world, "/overview")
    assert f'value="{overview["calls"]}"' in page and "reachable" in page and "Nothing is sent on" in page
    world.health.state = DatabaseState(kind="sqlite", reachable=False)
    try:
        away = admin.get("/settings?tab=health").text
    finally:
        world.health.state = DatabaseState(kind="sqlite", reachable=True)
    assert "Needs a look" in away and "cannot be reached" in away
