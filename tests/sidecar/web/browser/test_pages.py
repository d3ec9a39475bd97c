"""Every page, at every width, in light and in dark: nothing goes wrong, and everybody can use it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from sidecar.web.browser.looking import WIDTHS, Tab, look_at, see, see_colours, tab_through
from tollkeeper.sidecar.web.app import NAVIGATION

PAGES = [place.path for place in NAVIGATION]
"""Their tabs are looked at with them."""


def looks(tab: Tab, path: str, width: int, scheme: str) -> list[str]:
    """What is wrong with a page and with its tabs."""
    wrong, seen, ahead = list[str](), set[str](), [path]
    while ahead:
        here = ahead.pop()
        seen.add(here)
        tab.forget()
        try:
            look_at(tab, here, width, scheme)
            if width == 360:
                look_beside(tab)
            if width == 1440:
                see_colours(tab, "dark")
        except AssertionError as error:
            wrong.append(f"{here}: {error}")
        found = tab.page.eval_on_selector_all("nav.tabs a", "all => all.map(each => each.href)")
        links = {urlsplit(link)._replace(scheme="", netloc="").geturl() for link in found}
        ahead += sorted(link for link in links - seen - set(ahead) if urlsplit(link).path == path)
    return wrong


def look_beside(tab: Tab) -> None:
    """At what a page's first drawer has, if there is one; it is closed by the keyboard."""
    openers = tab.page.locator("main a[hx-target='#drawer']:visible")
    if openers.count():
        openers.first.click()
        tab.page.locator("dialog[open]").wait_for()
        tab.settle()
        see(tab)
        tab.page.keyboard.press("Escape")
        tab.page.locator("dialog[open]").wait_for(state="hidden")
        tab.page.evaluate("document.dispatchEvent(new CustomEvent('htmx:after:swap'))")
        assert tab.page.locator("dialog[open]").count() == 0, "as a part of the page is shown anew, it opens again"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_well(at_company: Tab, path: str, width: int) -> None:
    wrong = looks(at_company, path, width, "dark" if width == 360 else "light")
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("path", PAGES)
def test_where_the_keyboard_is_can_be_seen(at_company: Tab, path: str) -> None:
    at_company.open(path)
    assert tab_through(at_company.page) == []


def test_days_are_typed_digit_by_digit(at_company: Tab) -> None:
    at_company.open("/")
    page = at_company.page
    page.get_by_role("radio", name="Custom").check()
    page.wait_for_url("**range=custom**")
    page.get_by_label("From", exact=True).press_sequentially("03012026")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**start=2026-03-01**")
