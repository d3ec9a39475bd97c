"""Signing in, as a browser does it: by keyboard, with a role, and with other pages that would like to be one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from sidecar.api.world import World
from sidecar.web.browser.looking import WIDTHS, Tab, see, tab_of, tab_through
from sidecar.web.browser.site import Site, standing
from sidecar.web.visiting import PASSWORD, person
from tollkeeper.sidecar.throttle import PER_ACCOUNT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A sidecar that asks who one is."""
    with standing(World(f"sqlite:///{tmp_path_factory.mktemp('entrance') / 'ledger.db'}")) as made:
        for name, role in (("ada", "admin"), ("grace", "viewer"), ("linus", "editor")):
            person(made.world, name, role)
        yield made


@pytest.fixture
def tab(browser: Browser, site: Site) -> Iterator[Tab]:
    with tab_of(browser, site.url) as tab:
        yield tab


def enter(tab: Tab, name: str, password: str = PASSWORD) -> None:
    tab.page.get_by_label("User").fill(name)
    tab.page.get_by_label("Password").fill(password)
    with tab.page.expect_navigation():
        tab.page.keyboard.press("Enter")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_entrance_is_well(tab: Tab, width: int) -> None:
    tab.expected.add(422)
    tab.page.emulate_media(color_scheme="dark" if width == 360 else "light")
    tab.page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    tab.page.goto(f"{tab.url}/settings")
    assert tab.page.evaluate("document.activeElement.name") == "user"
    see(tab)
    enter(tab, "nobody", "a wrong password")
    assert tab.page.get_by_role("alert").inner_text() == "There is no such user with this password."
    assert tab.page.get_by_label("User").input_value() == "nobody"
    tab.page.get_by_text("Sign in with an API key").click()
    see(tab)
    assert tab_through(tab.page) == []


def test_in_with_a_password_and_out_again(tab: Tab, site: Site) -> None:
    tab.page.goto(f"{tab.url}/settings?tab=access")
    enter(tab, "ada")
    tab.settle()
    assert tab.page.url == f"{tab.url}/settings?tab=access"
    assert tab.page.evaluate("document.cookie") == "", "no script sees the session"
    assert "ada" in tab.page.locator(".person").inner_text()
    tab.page.get_by_role("button", name="Sign out", exact=True).first.click()
    tab.page.wait_for_url("**/sign-in")
    tab.page.go_back()
    assert tab.page.url.startswith(f"{tab.url}/sign-in"), "nothing was kept of what was seen"
    assert site.world.sessions.sessions(user="ada") == []
    tab.assert_well()


def test_in_with_a_key(tab: Tab, site: Site) -> None:
    tab.page.goto(f"{tab.url}/sign-in?next=/settings")
    tab.page.get_by_text("Sign in with an API key").click()
    tab.page.get_by_label("API key").fill(site.world.key("edit"))
    tab.page.get_by_role("button", name="Sign in with the key").click()
    tab.page.wait_for_url("**/settings")
    assert "editor" in tab.page.locator(".person").inner_text()
    tab.assert_well()


def test_who_is_put_out_is_asked_again_also_within_a_page(tab: Tab, site: Site) -> None:
    tab.page.goto(f"{tab.url}/sign-in?next=/alerts")
    enter(tab, "linus")
    tab.settle()
    tab.expected.add(401)
    site.world.sessions.end_all(user="linus", author="tests")
    with tab.page.expect_navigation(url="**/sign-in?next=%2Falerts"):
        tab.page.evaluate("() => htmx.ajax('GET', '/alerts', 'main')")


def test_other_pages_cannot_send_forms(tab: Tab, site: Site) -> None:
    """One of the same machine, so that cookies go along; and one of another, so that they do not."""
    tab.page.goto(f"{tab.url}/sign-in")
    enter(tab, "grace")
    tab.settle()
    token = tab.page.locator("input[name=csrf_token]").first.input_value()
    target = f"{tab.url}/settings/sign-out-elsewhere"
    tab.expected.update((403, 401))
    for host, ends in (("127.0.0.1", target), ("localhost", f"{tab.url}/")):
        with attacking(target, token) as port, tab.page.expect_navigation(url=ends):
            tab.page.goto(f"http://{host}:{port}/", wait_until="commit")
    with attacking(f"{tab.url}/sign-out", token) as port, tab.page.expect_navigation(url="**/sign-out"):
        tab.page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
    assert "sent by a page of another site" in tab.page.content()
    assert len(site.world.sessions.sessions(user="grace")) == 1
    assert [wrong for wrong in tab.wrong if "a request elsewhere" not in wrong] == []


def test_no_page_shows_it_in_a_frame(tab: Tab, site: Site) -> None:
    with attacking(f"{tab.url}/sign-in", "", framed=True) as port:
        tab.page.goto(f"http://127.0.0.1:{port}/")
        assert "Sign in" not in tab.page.frames[1].content()
        assert any("frame-ancestors" in wrong for wrong in tab.wrong)


def test_who_guesses_has_to_wait(tab: Tab, site: Site) -> None:
    tab.expected.update((422, 429))
    tab.page.goto(f"{tab.url}/sign-in")
    assert PER_ACCOUNT.window is not None
    for number in range(PER_ACCOUNT.window.burst or 0):
        enter(tab, "linus", f"guess number {number}")
    enter(tab, "linus")
    assert "Too many attempts failed. Try again in 3 minutes" in tab.page.get_by_role("alert").inner_text()
    see(tab)


@contextmanager
def attacking(target: str, token: str, framed: bool = False) -> Iterator[int]:
    """A page that sends a form there on its own, or shows it in a frame; its port."""
    body = (
        f'<iframe src="{target}"></iframe>' if framed else
        f'<form method="post" action="{target}"><input name="csrf_token" value="{token}"></form>'
        "<script>document.forms[0].submit()</script>"
    )  # fmt: skip

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>x</title>{body}".encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
