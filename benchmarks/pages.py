"""How long the sidecar takes for each page, over a ledger of a million calls in ninety days.

    python benchmarks/pages.py [--rows 1000000] [--file FOLDER/ledger.db] [--rounds 7] [--only /budgets]

A sidecar is started over the ledger as `tollkeeper serve` does it; once its evaluators have been through it, and it
rests, every page and every tab is asked for, of thirty days and of ninety. What is measured is the time from the
request to the last byte of the answer, connecting not included, and the sidecar's CPU time meanwhile. The file is kept,
and used again by the next run if it is from today. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ledger import DAY, generate

from tollkeeper.sidecar.web.app import NAVIGATION
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.evaluations import Evaluations
from tollkeeper.storage.ledger import UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger

SOURCE = Path(__file__).resolve().parents[1] / "src"
DAYS = 90
ALLOWED_MS = 300
PATIENCE = 900.0
AT_REST, WATCHED = 0.2, 3.0
"""So much of a CPU at the most, in so many seconds."""
TICKS = os.sysconf("SC_CLK_TCK")
TABS = re.compile(r'<nav class="tabs".*?</nav>', re.DOTALL)
LINKS = re.compile(r'href="([^"]+)"')
EVALUATED = ("anomalies.daily", "anomalies.hourly", "provider_health", "patterns", "forecasts", "recommendations")
POLICY = """\
[[limit]]
name = "company"
limit = "$5000 / month"
mode = "soft"

[[limit]]
limit = "$30 / day per tenant"
mode = "soft"

[[limit]]
limit = "$40 / month per user"
mode = "soft"

[[limit]]
limit = "60 requests / minute per user"
"""


def fill(url: str, rows: int) -> None:
    """Up to the end of today, unless the file is filled already."""
    database = Database(url)
    database.migrate()
    ledger, today = SqlLedger(database), time.time_ns() // DAY
    first = today - DAYS + 1
    found = ledger.usage(UsageQuery(first * DAY, (today + 1) * DAY))
    if not found or found[0].totals.calls < rows // DAYS * DAYS:
        generate(database, ledger, rows, first, DAYS)
    database.close()


class Asked:
    """A sidecar."""

    def __init__(self, port: int, process: int) -> None:
        self._process = process
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def get(self, path: str) -> tuple[int, str, float]:
        """Its status, its text, and how many milliseconds it took."""
        self._connection.close()  # the sidecar has closed it, if nothing was asked for some seconds
        self._connection.connect()
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"accept": "text/html"})
        answer = self._connection.getresponse()
        body = answer.read()
        return answer.status, body.decode(), (time.perf_counter() - began) * 1000

    def cpu(self) -> float:
        """The process's CPU time so far, in milliseconds."""
        user, system = Path(f"/proc/{self._process}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS * 1000

    def rest(self) -> None:
        """Until it does next to nothing, or for so long as there is patience."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            before = self.cpu()
            time.sleep(WATCHED)
            if self.cpu() - before < AT_REST * WATCHED * 1000:
                return

    def answers(self) -> bool:
        try:
            return self.get("/api/v1/health")[0] == 200
        except OSError:
            self._connection.close()
            return False


@contextmanager
def serving(url: str, port: int, policy: Path) -> Iterator[Asked]:
    flags = ["--port", str(port), "--grpc-port", "off", "--ledger", url, "--policy", str(policy)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tollkeeper", "serve", *flags, "--log-level", "error"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.DEVNULL,
    )
    try:
        asked, until = Asked(port, process.pid), time.monotonic() + PATIENCE
        while not asked.answers():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the sidecar does not answer")
            time.sleep(0.1)
        yield asked
    finally:
        process.kill()
        process.wait()


def await_evaluations(url: str) -> float:
    """Until there is nothing that is evaluated for the first time; how many seconds it took."""
    database = Database(url)
    evaluations, began = Evaluations(database, "benchmark"), time.monotonic()
    while not all(evaluations.latest(name) for name in EVALUATED) and time.monotonic() < began + PATIENCE:
        time.sleep(0.5)
    database.close()
    return time.monotonic() - began


def paths(asked: Asked) -> Iterator[str]:
    """Every page and every tab of it, of thirty days and of ninety."""
    for place in NAVIGATION:
        status, text, _ = asked.get(place.path)
        if status != 200:
            print(f"| {place.path} | HTTP {status} | | | |")
            continue
        tabs = (LINKS.findall(found) for found in TABS.findall(text))
        links = {unescape(link) for links in tabs for link in links if urlsplit(unescape(link)).path == place.path}
        for path in sorted({place.path, *links}):
            yield path
            yield f"{path}{'&' if '?' in path else '?'}range=90d"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--port", type=int, default=43190)
    parser.add_argument("--only", default="", help="pages whose path begins so")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{(options.file or Path(folder, 'pages.db')).absolute()}"
        fill(url, options.rows)
        policy = Path(folder, "policy.toml")
        policy.write_text(POLICY)
        with serving(url, options.port, policy) as asked:
            print(f"\nevaluated in {await_evaluations(url):.0f} s", flush=True)
            asked.rest()
            print(f"\n| page, over {options.rows:,} calls | median ms | worst ms | first ms | CPU ms | |")
            print("| --- | --: | --: | --: | --: | --- |")
            for path in paths(asked):
                if path.startswith(options.only):
                    _, _, first = asked.get(path)
                    before = asked.cpu()
                    taken = [asked.get(path)[2] for _ in range(options.rounds)]
                    median = statistics.median(taken)
                    cpu = (asked.cpu() - before) / options.rounds
                    told = "" if median <= ALLOWED_MS else f"more than {ALLOWED_MS} ms"
                    print(
                        f"| {path} | {median:.0f} | {max(taken):.0f} | {first:.0f} | {cpu:.0f} | {told} |", flush=True
                    )


if __name__ == "__main__":
    main()
