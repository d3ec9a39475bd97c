"""Pages in Debian's Chromium: a company's sidecar and a hostile world's to look at, and fresh ones for what changes."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from services import chromium
from services.sinks import http_sink
from sidecar.api.world import World
from sidecar.web.browser import company, hostile
from sidecar.web.browser.looking import Tab, tab_of
from sidecar.web.browser.site import Site, standing


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """It ends with each file: while it is there, no other event loop can run in this thread."""
    program = chromium.need()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=list(chromium.OPTIONS))
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def company_file(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    def make(world: World) -> None:
        with http_sink() as sink:
            company.fill(world, sink)

    return _made_once(tmp_path_factory, worker_id, "company", lambda url: company.opened(url), make)


@pytest.fixture(scope="session")
def hostile_file(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    return _made_once(tmp_path_factory, worker_id, "hostile", lambda url: hostile.opened(url), hostile.fill)


@pytest.fixture(scope="package")
def company_site(company_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A company's sidecar; nobody changes anything."""
    copy = shutil.copy(company_file, tmp_path_factory.mktemp("company") / "ledger.db")
    with standing(company.opened(f"sqlite:///{copy}", open_on_loopback=True)) as site:
        yield site


@pytest.fixture(scope="package")
def hostile_site(hostile_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One of which every name is an attack; nobody changes anything."""
    copy = shutil.copy(hostile_file, tmp_path_factory.mktemp("hostile") / "ledger.db")
    with standing(hostile.opened(f"sqlite:///{copy}", open_on_loopback=True)) as site:
        yield site


@pytest.fixture(scope="module")
def companys_tab(browser: Browser, company_site: Site) -> Iterator[Tab]:
    """One tab for many looks, as a new one takes as long as a page."""
    with tab_of(browser, company_site.url) as tab:
        yield tab


@pytest.fixture
def at_company(companys_tab: Tab) -> Tab:
    """The same, with a clean slate."""
    companys_tab.forget()
    return companys_tab


@pytest.fixture
def tab(browser: Browser, site: Site) -> Iterator[Tab]:
    """For one test, at a `site` of its own. At the end nothing has gone wrong in it."""
    with tab_of(browser, site.url) as tab:
        yield tab
        tab.assert_well()


def _made_once(
    folders: pytest.TempPathFactory,
    worker: str,
    name: str,
    opened: Callable[[str], World],
    fill: Callable[[World], None],
) -> Path:
    """A database, to be copied: made by whichever process comes first."""
    mine = folders.getbasetemp()
    file = (mine if worker == "master" else mine.parent) / f"{name}.db"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            making = file.with_suffix(".new")
            world = opened(f"sqlite:///{making}")
            fill(world)
            world.close()
            making.rename(file)
    return file
