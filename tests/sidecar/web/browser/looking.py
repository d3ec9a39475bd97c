"""What must hold of every page, whoever looks at it: nothing goes wrong or elsewhere, and all can use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

WIDTHS = {360: 740, 768: 1024, 1440: 900}
"""A phone's, a tablet's and a desk's, and how high their windows are."""
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
TAB_STOPS = 40
"""How many are gone through: the bars, and the beginning of what is on the page."""


class Tab:
    """A tab of a browser, and all that went wrong in it. `url` is where the pages are."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.wrong: list[str] = []
        self.requests: list[Request] = []
        self.expected: set[int] = set()
        """Statuses that are no fault in this test."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.wrong.append(f"an error in a script: {error}"))
        page.on("dialog", lambda dialog: (self.wrong.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", self._see)
        page.on("requestfailed", self._fail)
        page.on("response", self._answered)

    def open(self, path: str, width: int = 1440) -> Response:
        """Go there with a window so wide, and wait until all is there."""
        self.page.set_viewport_size({"width": width, "height": WIDTHS[width]})
        answer = self.page.goto(self.url + path, wait_until="load")
        assert answer is not None
        self.settle()
        return answer

    def settle(self) -> None:
        """Until charts are drawn, and parts that come by themselves are there."""
        self.page.wait_for_function(DRAWN)

    def forget(self) -> None:
        """What has gone wrong so far, for the next test."""
        self.wrong.clear()
        self.requests.clear()
        self.expected.clear()

    def assert_well(self) -> None:
        """That nothing has gone wrong so far."""
        assert not self.wrong, "\n".join(self.wrong)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self._is_expected(message.text):
            self.wrong.append(f"{message.type} in the console: {message.text}")

    def _is_expected(self, text: str) -> bool:
        return any(f"status of {status} " in text for status in self.expected)

    def _see(self, request: Request) -> None:
        self.requests.append(request)
        if urlsplit(request.url).scheme in ("http", "https") and not request.url.startswith(self.url + "/"):
            self.wrong.append(f"a request elsewhere: {request.url}")

    def _fail(self, request: Request) -> None:
        # A stream of events, and what a page had begun to fetch, end with the page.
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"a request failed: {request.url} {request.failure}")

    def _answered(self, answer: Response) -> None:
        if answer.status >= 400 and answer.status not in self.expected:
            self.wrong.append(f"{answer.status} for {answer.url}")


DRAWN = """() => document.readyState === 'complete' && 'ready' in document.documentElement.dataset
  && !document.querySelector('.htmx-request')
  && [...document.querySelectorAll('[data-chart]')].every(each => each.querySelector('canvas') || !each.offsetParent)"""


@contextmanager
def tab_of(browser: Browser, url: str, **options: Any) -> Iterator[Tab]:
    """A new one, that has no cookie."""
    context = browser.new_context(**{"locale": "en-US", "timezone_id": "UTC", **options})
    context.set_default_timeout(10_000)
    try:
        yield Tab(context.new_page(), url)
    finally:
        context.close()


def look_at(tab: Tab, path: str, width: int, scheme: str = "light") -> None:
    """Go there, and see that all is well. A tablet is told what the two others are, so it is only measured."""
    tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    answer = tab.open(path, width)
    assert answer.status == 200, f"{answer.status} for {path}"
    see(tab, fully=width != 768)


def see(tab: Tab, fully: bool = True) -> None:
    """That all is well with what is shown now; where not `fully`, only what depends on the window."""
    wrong = [*tab.wrong, *overflow(tab.page), *(violations(tab.page) if fully else ())]
    wrong += ["there is not one heading of the first order"] * (tab.page.locator("h1").count() != 1)
    wrong += ["there is no title"] * (not tab.page.title().strip())
    assert not wrong, "\n".join(wrong)


def overflow(page: Page) -> list[str]:
    """What reaches beyond the window's right edge, where that makes it scroll."""
    found: list[str] = page.evaluate(OVERFLOW)
    return found


OVERFLOW = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= window.innerWidth && document.body.scrollWidth <= window.innerWidth)
    return [];
  const clipped = each => each && (getComputedStyle(each).overflowX !== 'visible' || clipped(each.parentElement));
  const beyond = [...document.body.querySelectorAll('*')].filter(each =>
    each.getBoundingClientRect().right > wide + 0.5 && !clipped(each.parentElement));
  return ['the page is ' + document.documentElement.scrollWidth + ' wide',
    ...beyond.slice(0, 8).map(each => each.outerHTML.slice(0, 160))];
}"""


def see_colours(tab: Tab, scheme: str) -> None:
    """That all can be read in another scheme, too."""
    tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    tab.settle()
    tab.page.evaluate(NEXT_FRAMES)
    found = violations(tab.page, {"type": "rule", "values": ["color-contrast"]})
    assert not found, "\n".join(found)


def violations(page: Page, rules: Mapping[str, Any] = RULES) -> list[str]:
    """What axe-core has against it."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found: Mapping[str, Any] = page.evaluate(
        "options => axe.run(document, options)", {"runOnly": rules, "resultTypes": ["violations"]}
    )
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]


def tab_through(page: Page) -> list[str]:
    """What the Tab key leads to from the top, and cannot be seen to be chosen, or is not in the window."""
    page.evaluate("() => { document.activeElement.blur(); window.scrollTo(0, 0) }")
    faults = []
    for _ in range(TAB_STOPS):
        page.keyboard.press("Tab")
        fault = page.evaluate(FOCUS)
        if fault == "end":
            break
        faults += [fault] if fault else []
    return faults


NEXT_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
"""Once it is drawn with what has changed."""
FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body || at === document.documentElement) return 'end';
  const shown = at.type === 'radio' ? [at, ...at.labels, ...[...at.labels].flatMap(each => [...each.children])] : [at];
  const seen = shown.some(each => {
    const style = getComputedStyle(each);
    return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
  });
  const box = at.getBoundingClientRect();
  const inside = shown.some(each => { const b = each.getBoundingClientRect();
    return b.bottom > 0 && b.top < innerHeight && b.right > 0 && b.left < innerWidth && b.width > 1; });
  return seen && inside ? '' : (seen ? 'out of sight: ' : 'no focus to be seen: ') + at.outerHTML.slice(0, 160);
}"""
