"""Pictures of the dashboards, with the data of a Prometheus: dark, light and as on a telephone.

    make screenshots [ARGS="--only overview"]

Without a Prometheus to ask, it runs simulator, app and sidecar for some minutes, with one that watches them. Chromium
is Debian's, Playwright PyPI's, and Grafana's components npm's. Exit code 1 if a panel could not be drawn, is empty, or
is wider than the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
BOARDS = HERE.parents[1] / "dashboards" / "grafana"
VIEWS = {"dark": (1440, 900, "dark"), "light": (1440, 900, "light"), "mobile": (390, 844, "dark")}
PAGE = """<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>
<link rel=stylesheet href=main.css><body style='margin:0'><div id=root></div>
<script>window.__GIVEN__={given};window.__grafana_public_path__='';window.__grafanaPublicPath__='';</script>
<script src=main.js></script>"""
WAIT_MILLISECONDS = 30_000
DAY_SECONDS = 60
"""Of the run's own days, each with its morning, noon and night."""
QUOTA_TOKENS = 8_000_000
"""For each of them; about half is used."""


def draw(page: Page, given: dict[str, Any], file: Path) -> list[str]:
    """Take one picture, and tell what is wrong with it."""
    html = HERE / "out" / f"{file.stem}.html"
    html.write_text(PAGE.replace("{given}", json.dumps(given).replace("</", "<\\/")))
    page.goto(html.resolve().as_uri())
    page.wait_for_function("!document.querySelector('[data-waits]')", timeout=WAIT_MILLISECONDS)
    page.wait_for_timeout(1200)
    page.screenshot(path=file, full_page=True)
    html.unlink()
    found = [f"error: {text}" for text in page.locator("[data-error]").all_inner_texts()]
    found += [f"empty: {each.get_attribute('data-empty')}" for each in page.locator("[data-empty]").all()]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("wider than the page")
    return found


@contextmanager
def watched(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The Prometheus to ask, and about what: the one that was named, or one that watches a run of our own."""
    if options.prometheus:
        yield {"prometheus": options.prometheus, "seconds": options.seconds, "scrape": options.scrape}
        return
    sys.path.insert(0, str(HERE.parents[1] / "tests"))
    from grafana.observed import SCRAPE_SECONDS, running  # noqa: PLC0415  the path is set above

    days = options.seconds // DAY_SECONDS
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), DAY_SECONDS, days, HERE / "policy.toml", QUOTA_TOKENS * days) as run,
    ):
        # It ends with the last call, and not with the silence after it.
        seconds = int(run.ended - run.began)
        yield {"prometheus": run.both.url, "seconds": seconds, "scrape": SCRAPE_SECONDS, "at": run.ended}


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--folder", type=Path, default=HERE / "out" / "pictures", help="where to (default: %(default)s)")
    flags.add_argument("--prometheus", help="the URL of one that watches something already")
    flags.add_argument("--seconds", type=int, default=300, help="the time range, or how long to run (%(default)s)")
    flags.add_argument("--scrape", type=int, default=15, help="that Prometheus's scrape interval (%(default)s s)")
    flags.add_argument("--only", action="append", help="a dashboard, by name; all if not given")
    flags.add_argument("--view", action="append", choices=VIEWS, help="all if not given")
    options = flags.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with watched(options) as about, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--allow-file-access-from-files"]
        )
        for path in sorted(BOARDS.glob("*.json")):
            for view in options.view or VIEWS:
                if options.only and path.stem not in options.only:
                    continue
                width, height, theme = VIEWS[view]
                page = browser.new_page(viewport={"width": width, "height": height})
                given = {"board": json.loads(path.read_text()), "theme": theme, **about}
                found = draw(page, given, options.folder / f"{path.stem}-{view}.png")
                page.close()
                wrong += len(found)
                print(f"{path.stem}-{view}", *found, sep="\n  ")
        browser.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
