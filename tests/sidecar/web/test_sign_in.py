"""Who is who: by a password or a key, for as long as both are good; and nobody is sent anywhere else."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from sidecar.api.world import World
from sidecar.running import Sidecar
from sidecar.web.visiting import PASSWORD, Visitor, person, site_of, token_of, token_on
from tollkeeper.sidecar.web.pages.sign_in import LONGEST_FORM, local_path
from tollkeeper.storage.sessions import IDLE_NS

SESSION = "tollkeeper_session"
DAYS_SEVEN = 7 * 86_400


def url_of(world: World) -> str:
    return f"sqlite:///{world.database.url.database}"


def test_with_a_password(world: World) -> None:
    person(world, "ada", "editor")
    visitor = Visitor(world)
    away = visitor.get("/?range=30")
    assert (away.status_code, away.headers["location"]) == (303, "/sign-in?next=%2F%3Frange%3D30")
    wrong = visitor.sign_in(user="ada", password="another password")
    assert wrong.status_code == 422 and "There is no such user with this password." in wrong.text
    assert 'value="ada"' in wrong.text and "another password" not in wrong.text
    answer = visitor.sign_in(user="Ada", password=PASSWORD, next="/?range=30")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?range=30")
    assert visitor.get("/sign-in?next=/budgets").headers["location"] == "/budgets"
    (user,) = world.users.users()
    assert user.last_signed_in_at == world.clock.nanoseconds()
    (session,) = world.sessions.sessions()
    assert (session.user, session.address, session.agent) == ("ada", "203.0.113.9", "testclient")


def test_with_a_key(world: World) -> None:
    visitor = Visitor(world)
    wrong = visitor.sign_in(key="tk_00000000_nonsense")
    assert wrong.status_code == 422 and "This key is not valid" in wrong.text and "nonsense" not in wrong.text
    assert visitor.sign_in(key=f" {world.key('read')} ").status_code == 303
    assert visitor.is_in


@pytest.mark.parametrize("fields", [{}, {"user": "ada"}, {"key": "tk_a\0b_c"}, {"user": "\0", "password": "x"}])
def test_nothing_in_particular(world: World, fields: dict[str, str]) -> None:
    assert Visitor(world).sign_in(**fields).status_code == 422


def test_a_cookie_is_for_this_site_only_and_not_for_scripts(world: World) -> None:
    person(world, "ada", "viewer")
    plain = Visitor(world)
    assert plain.sign_in(user="ada", password=PASSWORD).headers["set-cookie"].partition("=")[2].partition(";")[2] == (
        f" Path=/; HttpOnly; SameSite=Lax; Max-Age={DAYS_SEVEN}"
    )
    assert SESSION in plain.cookies
    secure = Visitor(world, base_url="https://tollkeeper.example")
    cookie = secure.sign_in(user="ada", password=PASSWORD).headers["set-cookie"]
    assert cookie.startswith(f"__Host-{SESSION}=")
    assert cookie.endswith(f"; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age={DAYS_SEVEN}")
    assert secure.is_in


def test_a_proxy_that_speaks_https_is_believed_where_there_is_one(world: World) -> None:
    person(world, "ada", "viewer")
    forwarded = {"X-Forwarded-Proto": "https"}
    for public_url, starts in (("https://tollkeeper.example", f"__Host-{SESSION}="), (None, f"{SESSION}=")):
        visitor = Visitor(world, public_url, headers=forwarded)
        token = visitor.get("/sign-in").headers["set-cookie"]
        assert ("; Secure" in token) == starts.startswith("__Host-")


def test_a_session_is_new_at_each_sign_in(world: World) -> None:
    """Whoever has made a browser use a token beforehand does not know the one that is good."""
    person(world, "ada", "viewer")
    visitor = Visitor(world)
    visitor.cookies.set(SESSION, "planted", domain="tollkeeper.example")
    visitor.as_user("ada")
    first = visitor.cookies.get(SESSION)
    assert first != "planted" and len(world.sessions.sessions()) == 1
    again = Visitor(world, cookies={SESSION: str(first)})
    visitor.post("/sign-in", data={"csrf_token": visitor.own_token(), "user": "ada", "password": PASSWORD})
    assert visitor.cookies.get(SESSION) != first
    assert visitor.is_in and not again.is_in, "the one before is over"


def test_signing_out_ends_it_for_good(world: World) -> None:
    person(world, "ada", "viewer")
    visitor = Visitor(world).as_user("ada")
    kept = Visitor(world, cookies=dict(visitor.cookies))
    assert kept.is_in
    assert visitor.post("/sign-out", data={"csrf_token": "wrong"}).status_code == 403
    assert visitor.is_in
    answer = visitor.post("/sign-out", data={"csrf_token": visitor.own_token()})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert not visitor.is_in and not kept.is_in
    actions = [(each.author, each.action) for each in world.audit.entries()[0] if each.kind == "session"]
    assert actions == [("ada", "sign_out"), ("ada", "sign_in")]


def test_a_token_in_the_cookie_of_a_visit_signs_nobody_in(world: World) -> None:
    person(world, "eve", "viewer")
    eve, ada = Visitor(world).as_user("eve"), Visitor(world)
    ada.cookies.set("tollkeeper_visit", eve.cookies[SESSION])
    assert not ada.is_in and ada.get("/").status_code == 303
    assert ada.post("/sign-out", data={"csrf_token": ada.token()}).status_code == 303
    assert eve.is_in, "and ends nobody's session"


def test_who_is_out_is_out_at_once(world: World) -> None:
    person(world, "ada", "editor")
    text, key = world.access_keys.create("grafana", ["read"], author="tests")
    by_key, by_password, after = Visitor(world), Visitor(world), Visitor(world)
    assert by_key.sign_in(key=text).status_code == 303 and by_key.is_in
    by_password.as_user("ada")
    world.users.change("ada", role="viewer", author="tests")
    assert by_password.is_in
    world.access_keys.revoke(key.prefix, author="tests")
    assert not by_key.is_in
    world.users.set_password("ada", "another password", author="tests")
    assert not by_password.is_in
    after.as_user("ada", "another password")
    world.users.change("ada", disabled=True, author="tests")
    assert not after.is_in
    assert after.sign_in(user="ada", password="another password").status_code == 422


def test_a_session_ends_by_itself(world: World) -> None:
    person(world, "ada", "viewer")
    visitor = Visitor(world).as_user("ada")
    world.clock.now += timedelta(microseconds=IDLE_NS // 1000 - 1)
    assert visitor.is_in
    world.clock.now += timedelta(microseconds=IDLE_NS // 1000)
    assert not visitor.is_in


def test_processes_that_share_a_database_share_their_sessions(tmp_path: Path) -> None:
    """By the first key, which the sidecar prints; who signs out at one is out at the other."""
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    both = [Sidecar(ledger, tmp_path / f"{name}.log", "--require-keys", "true") for name in ("first", "second")]
    try:
        for sidecar in both:
            sidecar.start(wait=False)
        for sidecar in both:
            sidecar.wait()
        (key,) = re.findall(r"tk_\w{8}_[\w-]{43}", "".join(sidecar.log.read_text() for sidecar in both))
        first, second = (f"{sidecar.url}/sign-" for sidecar in both)
        with httpx.Client() as browser:
            fields = {"csrf_token": token_on(browser.get(f"{first}in").text), "key": key, "next": "/settings"}
            answer = browser.post(f"{first}in", data=fields)
            assert (answer.status_code, answer.headers["location"]) == (303, "/settings")
            assert browser.get(f"{second}in").status_code == 303
            session = answer.cookies[SESSION]
            assert browser.post(f"{second}out", data={"csrf_token": token_of(session)}).status_code == 303
            browser.cookies.set(SESSION, session, domain="127.0.0.1")
            assert browser.get(f"{first}in").status_code == 200
    finally:
        for sidecar in both:
            sidecar.kill()


ELSEWHERE = (
    "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "evil.example",
    "javascript:alert(1)", "/\n/evil", " /x", "///evil", "/sign-in?next=/sign-in", "/sign-out", "", "/" + "x" * 3000,
    "/\\/evil", "http:evil", "?x", "/%0d%0aX: y\r\nX: y",
)  # fmt: skip


def test_nobody_is_sent_elsewhere(world: World) -> None:
    person(world, "ada", "viewer")
    visitor = Visitor(world)
    assert visitor.sign_in(user="ada", password=PASSWORD, next=ELSEWHERE[0]).headers["location"] == "/"
    for elsewhere in ELSEWHERE:
        assert local_path(elsewhere) == "/", elsewhere
        assert visitor.get("/sign-in", params={"next": elsewhere}).headers["location"] == "/"


@pytest.mark.parametrize("here", ["/", "/budgets?tab=quotas&x=1#y", "/requests/a%2Fb", "/x?next=//evil", "/ümläut"])
def test_a_page_of_ours_is_where_one_wanted_to_go(here: str) -> None:
    assert local_path(here) == here


def test_a_part_of_a_page_is_no_place_to_sign_in(world: World) -> None:
    answer = Visitor(world).get("/", headers={"HX-Request": "true", "HX-Current-URL": "http://x/budgets?a=1"})
    assert (answer.status_code, answer.text) == (401, "")
    assert answer.headers["hx-redirect"] == "/sign-in?next=%2Fbudgets%3Fa%3D1"


@pytest.mark.parametrize(
    ("referer", "then"),
    [("http://tollkeeper.example/budgets?a=1", "%2Fbudgets%3Fa%3D1"), ("http://[", "%2F"), ("x", "%2F"), ("", "%2F"),
     ("http://x//evil.example", "%2F")],
)  # fmt: skip
def test_after_a_form_one_comes_back_to_where_it_was(world: World, referer: str, then: str) -> None:
    answer = Visitor(world).post("/settings/own-password", headers={"Referer": referer})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={then}")


def test_nothing_long_is_read_from_anybody(world: World) -> None:
    visitor = Visitor(world)
    assert visitor.post("/sign-in", content=b"x" * (LONGEST_FORM + 1)).status_code == 413
    assert visitor.post("/sign-in", content=iter([b"user=ada"])).status_code == 411


def test_on_this_machine_nobody_signs_in_and_no_other_page_gets_in(world: World) -> None:
    """A page may give its own name the address of this machine: the browser says then what name it asked for."""
    local = World(url_of(world), open_on_loopback=True)
    site = site_of(local)
    here = {"client": ("127.0.0.1", 40_000), "base_url": "http://127.0.0.1:4318"}
    page = Visitor(local, site=site, **here).get("/")
    assert page.status_code == 200 and "Open on this machine" in page.text
    assert Visitor(local, site=site, **here).is_in
    for change in (
        {"base_url": "http://evil.example:4318"}, {"headers": {"X-Forwarded-For": "203.0.113.9"}},
        {"client": ("192.168.1.7", 40_000)}, {"headers": {"Host": "127.0.0.1.evil.example"}},
    ):  # fmt: skip
        answer = Visitor(local, site=site, **{**here, **change}).get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F"), change
    local.close()


def test_no_secret_is_in_a_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tollkeeper")
    person(world, "ada", "viewer")
    visitor = Visitor(world)
    visitor.sign_in(user="my password by mistake", password="a secret of mine")
    visitor.as_user("ada")
    assert "an attempt to sign in failed, from 203.0.113.9" in caplog.text
    for secret in ("mistake", "a secret of mine", PASSWORD, str(visitor.cookies.get(SESSION))):
        assert secret not in caplog.text
