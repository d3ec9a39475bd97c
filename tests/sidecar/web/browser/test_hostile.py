"""Names, texts and reasons that are attacks: each page shows them, and none of them does anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser

from sidecar.web.browser.hostile import ATTACKS
from sidecar.web.browser.looking import NEXT_FRAMES, WIDTHS, Tab, overflow, tab_of
from sidecar.web.browser.site import Site
from tollkeeper.sidecar.web.app import NAVIGATION

PAGES = [place.path for place in NAVIGATION]
SOME = [ATTACKS["script"], ATTACKS["single"]]
LINKS = ("href", "src", "action", "hx-get", "hx-post", "formaction")


class Parts(HTMLParser):
    """What a browser would find in a page: links, scripts, and what must not be there."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.links: list[str] = []
        self.wrong: list[str] = []
        self._script: dict[str, str | None] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.wrong += [f"<{tag} {name}>" for name in given if name.startswith(("on", "hx-on")) or name == "style"]
        if tag in ("img", "style", "iframe", "object", "embed", "base"):
            self.wrong.append(f"<{tag}>")
        if tag == "script":
            self._script, self._text = given, ""
        for name in LINKS:
            if (link := given.get(name)) is not None:
                self._see(tag, name, link)

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag != "script" or self._script is None:
            return
        if self._script.get("type") == "application/json":
            json.loads(self._text)
        elif self._text.strip() or not (self._script.get("src") or "").startswith("/static/"):
            self.wrong.append(f"<script>{self._text[:80]}")
        self._script = None

    def _see(self, tag: str, name: str, link: str) -> None:
        whole = urlsplit(urljoin(f"http://here{self._path}", link))
        if whole.scheme not in ("http", "https", "data") or whole.netloc not in ("here", ""):
            self.wrong.append(f"<{tag} {name}={link[:80]!r}>")
        elif name in ("href", "hx-get") and tag != "link" and tag != "use":
            self.links.append(f"{whole.path}?{whole.query}" if whole.query else whole.path)


def kind_of(path: str) -> tuple[str, ...]:
    """The same for pages that differ in a name or in a filter only."""
    where = urlsplit(path)
    tabs = [text for name, text in parse_qsl(where.query) if name == "tab"]
    return ("/".join("*" if len(part) > 14 or "%" in part else part for part in where.path.split("/")), *tabs)


def test_no_page_and_no_part_of_one_has_anything_of_an_attack(hostile_site: Site) -> None:
    """Where links lead to, as it comes over the wire: one page of each kind, and those whose filter is an attack."""
    seen: set[tuple[str, ...]] = set()
    ahead = [
        *PAGES,
        *(f"{path}?{urlencode({'user': text, 'zone': text, 'tab': text})}" for path in PAGES for text in SOME),
    ]
    wrong, asked = [], 0
    with httpx.Client(base_url=hostile_site.url, timeout=30) as client:
        while ahead:
            path = ahead.pop()
            answer = client.get(path)
            asked += 1
            if answer.status_code >= 500:
                wrong.append(f"{path}: {answer.status_code}")
            if not answer.headers.get("content-type", "").startswith("text/html"):
                continue
            parts = Parts(path)
            parts.feed(answer.text)
            wrong += [f"{path}: {each}" for each in parts.wrong]
            wrong += [f"{path}: a template was run"] * ("60481729" in answer.text)
            for link in parts.links:
                if (kind := kind_of(link)) not in seen and "/static/" not in link:
                    seen.add(kind)
                    ahead.append(link)
    assert wrong == [], "\n".join(wrong[:20])
    assert asked > 2 * len(PAGES), "the pages link to nothing"


@pytest.fixture(scope="module")
def hostile_tab(browser: Browser, hostile_site: Site) -> Iterator[Tab]:
    with tab_of(browser, hostile_site.url) as tab:
        yield tab


@pytest.mark.parametrize("path", PAGES)
def test_nothing_of_an_attack_happens(hostile_tab: Tab, path: str) -> None:
    wrong = []
    for here in [path, *tabs_of(hostile_tab, path)]:
        hostile_tab.forget()
        hostile_tab.open(here)
        for width, height in WIDTHS.items():
            hostile_tab.page.set_viewport_size({"width": width, "height": height})
            hostile_tab.page.evaluate(NEXT_FRAMES)
            wrong += [f"{here}: {each}" for each in overflow(hostile_tab.page)]
        wrong += [f"{here}: {each}" for each in hostile_tab.wrong]
        wrong += [f"{here}: {each}" for each in hostile_tab.page.evaluate(HARM)]
    assert wrong == [], "\n".join(wrong)


def test_an_attack_is_shown_as_it_is(hostile_tab: Tab) -> None:
    """A page that left such names out would pass as well."""
    hostile_tab.open("/?range=30d")
    shown = hostile_tab.page.content()
    assert "&lt;img src=" in shown or "&lt;script&gt;" in shown
    assert hostile_tab.page.get_by_text(ATTACKS["image"], exact=False).count() > 0


def tabs_of(tab: Tab, path: str) -> list[str]:
    """The tabs of a page."""
    tab.open(path)
    links = tab.page.eval_on_selector_all("nav.tabs a", "all => all.map(each => each.getAttribute('href'))")
    return sorted({link for link in links if link != path})


HARM = """() => {
  const all = [...document.querySelectorAll('*')];
  const found = all.filter(each => [...each.attributes].some(one => /^(on|hx-on)/.test(one.name)));
  found.push(...document.querySelectorAll('img, iframe, object, embed, base, main style, main link'));
  found.push(...[...document.querySelectorAll('script')].filter(each =>
    each.type !== 'application/json' && !each.src.startsWith(location.origin + '/static/')));
  found.push(...[...document.querySelectorAll('a[href], form[action]')].filter(each =>
    new URL(each.getAttribute('href') ?? each.getAttribute('action'), location.href).origin !== location.origin));
  found.push(...[...document.querySelectorAll('[hx-get]')].filter(each =>
    new URL(each.getAttribute('hx-get'), location.href).origin !== location.origin));
  return found.map(each => each.outerHTML.slice(0, 160));
}"""
