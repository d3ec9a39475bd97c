"""Pictures of every page and every tab, light, dark and on a phone, of a company's ninety days.

python tools/screenshots/pages.py [FOLDER] [--only /budgets] [--ledger FILE]
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

from services import chromium  # noqa: E402  the path is set above
from services.sinks import http_sink  # noqa: E402
from sidecar.web.browser import company  # noqa: E402
from sidecar.web.browser.looking import Tab, tab_of  # noqa: E402
from sidecar.web.browser.site import standing  # noqa: E402
from tollkeeper.sidecar.web.app import NAVIGATION  # noqa: E402

DAYS = 90
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1440, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1440, "height": 900}},
    "phone": {
        "color_scheme": "light", "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True,
    },
}  # fmt: skip


def main() -> int:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "out" / "pages")
    parser.add_argument("--only", default="", help="pages whose address begins so")
    parser.add_argument("--ledger", type=Path, help="where the company's database is kept for the next time")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(_ledger(options.ledger or Path(folder, "company.db")), Path(folder, "ledger.db"))
        world = company.opened(f"sqlite:///{copy}", open_on_loopback=True)
        with standing(world) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium.PROGRAM, args=list(chromium.OPTIONS))
            for look, how in LOOKS.items():
                with tab_of(browser, site.url, **how) as tab:
                    tab.page.clock.set_fixed_time(company.NOW)
                    for path in _paths(tab, options.only):
                        _take(tab, path, options.folder / f"{_name(path)}-{look}.png")
            browser.close()
    return 0


def _ledger(file: Path) -> Path:
    if not file.exists():
        world = company.opened(f"sqlite:///{file}")
        with http_sink() as sink:
            company.fill(world, sink, DAYS)
        world.close()
    return file


def _paths(tab: Tab, only: str) -> Iterator[str]:
    for place in NAVIGATION:
        if place.path.startswith(only):
            yield place.path
            links = tab.page.eval_on_selector_all("nav.tabs a", "all => all.map(each => each.getAttribute('href'))")
            yield from (link for link in links if link != place.path)


def _take(tab: Tab, path: str, file: Path) -> None:
    tab.forget()
    tab.page.goto(tab.url + path)
    tab.settle()
    tab.page.screenshot(path=file, full_page=True)
    for wrong in tab.wrong:
        print(f"{path}: {wrong}", file=sys.stderr)


def _name(path: str) -> str:
    parts = urlsplit(path)
    words = [parts.path.strip("/") or "overview", *(value for _, value in parse_qsl(parts.query))]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


if __name__ == "__main__":
    sys.exit(main())
