"""What a browser has to load before anything can be seen."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Browser, Request

from sidecar.web.browser.looking import tab_of
from sidecar.web.browser.site import Site

ALLOWED = 150_000
STREAM = "/live"


def test_the_first_view_is_light(
    browser: Browser, company_site: Site, record_property: Callable[[str, object], None]
) -> None:
    """How quick it is depends on the machine, and is told only."""
    with tab_of(browser, company_site.url) as tab:
        tab.open("/")
        drawn = tab.page.evaluate("() => performance.now()")
        ready = tab.page.evaluate("() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        loaded = [request for request in tab.requests if not request.url.endswith(STREAM)]
        sizes = {request.url.removeprefix(company_site.url): transferred(request) for request in loaded}
        tab.assert_well()
    record_property("bytes", sizes)
    told = (
        f"{sum(sizes.values()):,} bytes in {len(sizes)} files; ready after {ready:.0f} ms, drawn after {drawn:.0f} ms"
    )
    print(told)
    assert len(sizes) > 4, sizes
    assert sum(sizes.values()) <= ALLOWED, sizes


def test_what_does_not_change_is_loaded_once(browser: Browser, company_site: Site) -> None:
    with tab_of(browser, company_site.url) as tab:
        tab.open("/")
        tab.forget()
        tab.open("/?range=7d")
        answers = [answer for request in tab.requests if (answer := request.response()) is not None]
        again = [each.url for each in answers if "/static/" in each.url and not cached(each.request)]
        assert again == []


def cached(request: Request) -> bool:
    return transferred(request) == 0


def transferred(request: Request) -> int:
    """Bytes of headers and body, as they came over the wire; none of what the browser has kept."""
    sizes = request.sizes()
    return sizes["responseHeadersSize"] + sizes["responseBodySize"]
