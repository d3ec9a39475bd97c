"""A real run that a real Prometheus has watched: simulator, app and sidecar, from the first call to the last."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.processes import environment, get
from services import prometheus, sinks
from services.ports import free_port
from sidecar.billed import bring_a_bill
from sidecar.running import Sidecar
from sidecar.running import running as sidecar_running
from tollkeeper.grafana.dashboards.overview import FIRING
from tollkeeper.telemetry import sidecar_metrics

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "dashboards" / "prometheus"
SCRAPE_SECONDS = 2
"""A scrape may take as long: a busy machine has its pauses."""
DAY_SECONDS = 12.0
SECONDS = 60.0
CHANNELS = """
[channels.on-call]
kind = "webhook"
url = "{sink}/alerts"

[channels.broken]
kind = "webhook"
url = "http://127.0.0.1:{nobody}/alerts"
"""
POLICY = HERE / "policy.toml"
QUOTA_TOKENS = 2_000_000


@dataclass
class Prometheus:
    """One that can be asked, about the moment `at`."""

    url: str
    at: float = 0.0

    def ask(self, path: str, **parameters: Any) -> Any:
        """The `data` of an answer. Raises `ValueError` with what Prometheus says of a query that is wrong."""
        asked = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{asked}", timeout=SECONDS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error")) from None

    def value(self, query: str) -> list[dict[str, Any]]:
        return list(self.ask("query", query=query, time=self.at)["result"])

    def course(self, query: str, seconds: float, step: float) -> list[dict[str, Any]]:
        found = self.ask("query_range", query=query, start=self.at - seconds, end=self.at, step=step)
        return list(found["result"])


@dataclass
class Observed:
    """`both` has scraped sidecar and app, `app_alone` the app only. `pages` are what they show at the end."""

    sidecar: Sidecar
    both: Prometheus
    app_alone: Prometheus
    began: float
    ended: float
    pages: tuple[str, str]


@contextmanager
def watching(folder: Path, targets: Mapping[str, int], has_rules: bool = False) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the ports of these jobs, with our rules or without; on a short run's clock."""
    folder.mkdir()
    for file in RULES.glob("*.yml") if has_rules else ():
        (folder / file.name).write_text(re.sub(r"interval: \w+", f"interval: {SCRAPE_SECONDS}s", file.read_text()))
    port = free_port()
    jobs = [{"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{at}"]}]} for job, at in targets.items()]
    seconds = f"{SCRAPE_SECONDS}s"
    settings: dict[str, Any] = {
        "global": {"scrape_interval": seconds, "evaluation_interval": seconds},
        "scrape_configs": jobs,
    }
    settings["rule_files"] = [str(folder / "*.rules.yml")]
    (folder / "prometheus.yml").write_text(json.dumps(settings))
    command = [
        prometheus.need("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with prometheus.running(command, f"{url}/-/ready", folder / "log"):
        yield Prometheus(url)


@contextmanager
def running(
    folder: Path, seconds: float = DAY_SECONDS, days: int = 1, policy: Path = POLICY, quota: int = QUOTA_TOKENS
) -> Iterator[Observed]:
    """Everything, once the day is over and all of it is in Prometheus."""
    app_port = free_port()
    with ExitStack() as stack:
        sink = stack.enter_context(sinks.http_sink())
        (folder / "channels.toml").write_text(CHANNELS.format(sink=sink.url, nobody=free_port()))
        options = ("--policy", str(policy), "--channels", str(folder / "channels.toml"))
        sidecar = stack.enter_context(sidecar_running(f"sqlite:///{folder / 'ledger.db'}", folder, *options))
        jobs = {"tollkeeper-sidecar": sidecar.port, "apps": app_port}
        both = stack.enter_context(watching(folder / "both", jobs, has_rules=True))
        app_alone = stack.enter_context(watching(folder / "app", {"apps": app_port}))
        asked = {"quota_limit": quota, "alert_threshold_percent": 80}
        _ask(sidecar, "PUT", "/api/v1/quotas/shop", json.dumps(asked).encode())
        bring_a_bill(sidecar.url)
        began = time.time()
        app = stack.enter_context(_shop(sidecar.url, folder / "spool", app_port, seconds, days))
        _ask(sidecar, "POST", "/v1/logs", b"no such thing", refused=True)
        assert app.stdout is not None
        assert app.stdout.readline() == "all calls are made\n"
        ended = time.time()
        _settle(sidecar, both)
        both.at = app_alone.at = time.time()
        pages = (sidecar.get("/metrics"), get(f"http://127.0.0.1:{app_port}/metrics"))
        yield Observed(sidecar, both, app_alone, began, ended, pages)


def _settle(sidecar: Sidecar, prometheus: Prometheus) -> None:
    """Until Prometheus has all calls, some of what channels were told, and a rule of its own that fires."""
    calls = sidecar.get("/api/v1/usage?days=2")["total_calls"]
    until = time.monotonic() + SECONDS
    while True:
        prometheus.at = time.time()
        shown = prometheus.value(f"sum({sidecar_metrics.LEDGER_CALLS})")
        told = [
            prometheus.value(metric)
            for metric in (sidecar_metrics.NOTIFICATIONS, sidecar_metrics.NOTIFICATIONS_OLDEST, FIRING)
        ]
        if shown and float(shown[0]["value"][1]) == calls and all(told):
            return
        assert time.monotonic() < until, f"{calls} calls, and Prometheus has {shown} and {told}"
        time.sleep(0.5)


@contextmanager
def _shop(sidecar: str, spool: Path, port: int, seconds: float, days: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(HERE / "shop.py"), sidecar, str(spool), str(port), str(seconds), str(days)]
    process = subprocess.Popen(command, env=environment(""), stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(SECONDS)


def _ask(sidecar: Sidecar, method: str, path: str, body: bytes, refused: bool = False) -> None:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(sidecar.url + path, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):
            assert not refused
    except urllib.error.HTTPError as error:
        assert refused, error.read()
