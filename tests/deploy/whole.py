"""The whole way of an alert: simulator, app, sidecar, Prometheus, Alertmanager, and sinks that stand for people."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.processes import environment
from services import prometheus
from services.ports import free_port
from services.sinks import HttpSink, MailSink, http_sink, mail_sink
from sidecar.billed import bring_a_bill
from sidecar.running import Sidecar
from sidecar.running import running as sidecar_running

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 75.0
CHANNELS = """
[channels.refused]
kind = "webhook"
url = "http://127.0.0.1:{refused}/"
[channels.away]
kind = "webhook"
url = "http://127.0.0.1:{away}/"
"""
"""Of the sidecar's own, so that there are notifications which are given up, and such that wait."""


def load_stack() -> Any:
    """`deploy/stack.py`, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("stack", ROOT / "deploy" / "stack.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stack = load_stack()


def quicker_rules(text: str) -> str:
    """Minutes become seconds; and budgets of a minute are told of, as their end can be waited for."""
    text = re.sub(r"interval: \w+", "interval: 1s", text)
    text = re.sub(r"for: \w+", "for: 2s", text)
    text = re.sub(r"\[(5m|10m|30m)\]", "[15s]", text)
    return text.replace("(rolling )?(hour|", "(rolling )?(minute|hour|")


def quicker_routes(text: str) -> str:
    text = re.sub(r"group_wait: \w+", "group_wait: 1s", text)
    return re.sub(r"group_interval: \w+", "group_interval: 1s", text)


@dataclass
class Whole:
    """All of it. `hooks` gets what the shipped routes send to the sidecar, `mail` what they send to people."""

    sidecar: Sidecar
    app: subprocess.Popen[str]
    hooks: HttpSink
    mail: MailSink
    prometheus: str
    alertmanager: str

    def ask(self, provider: str, tenant: str, times: int, knobs: str) -> Mapping[str, int]:
        """Have the app make calls. How many were answered, failed and denied."""
        assert self.app.stdin is not None and self.app.stdout is not None
        asked = {"provider": provider, "tenant": tenant, "times": times, "knobs": knobs}
        self.app.stdin.write(json.dumps(asked) + "\n")
        self.app.stdin.flush()
        return dict(json.loads(self.app.stdout.readline()))

    def change_policy(self, limit: str) -> None:
        """Add a limit. The sidecar compares its counters with the ledger then, and else every five minutes."""
        document = tomllib.loads((HERE / "policy.toml").read_text())
        document["limit"].append({"limit": limit})
        body = json.dumps({"document": document, "reason": "a test"}).encode()
        headers = {"content-type": "application/json"}
        url = f"{self.sidecar.url}/api/v1/policy"
        urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT")).close()

    def tell_on(self, body: bytes) -> tuple[int, Any]:
        """What the sidecar answers to what Alertmanager has sent."""
        url = f"{self.sidecar.url}/api/v1/alerts/alertmanager"
        asked = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(asked) as answer:
            return answer.status, json.load(answer)

    def told(self, alert: str, status: str = "firing", **labels: str) -> list[dict[str, Any]]:
        """What the mirror was told of an alert."""
        return [
            one
            for request in list(self.hooks.requests)
            for one in request.json["alerts"]
            if one["status"] == status and {"alertname": alert, **labels}.items() <= one["labels"].items()
        ]

    def mailed(self, words: str, to: str) -> bool:
        return any(words in str(one["subject"]) and to in str(one["to"]) for one in self.mail.messages)

    def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """What Alertmanager has."""
        found = stack.read(f"{self.alertmanager}/api/v2/alerts")
        return [one for one in found if labels.items() <= one["labels"].items()]

    def query(self, path: str, **parameters: str) -> Any:
        return stack.read(f"{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")["data"]

    def silence(self, **labels: str) -> None:
        matchers = [{"name": name, "value": text, "isRegex": False} for name, text in labels.items()]
        now = time.time()
        moments = {"startsAt": _moment(now), "endsAt": _moment(now + 3600)}
        body = json.dumps({"matchers": matchers, **moments, "createdBy": "test", "comment": "known"}).encode()
        headers = {"content-type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{self.alertmanager}/api/v2/silences", body, headers)).close()


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def until(what: str, is_so: Callable[[], Any], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.1)


@contextmanager
def running(folder: Path) -> Iterator[Whole]:
    """Everything with the shipped configurations, on shorter clocks."""
    programs = {name: prometheus.need(name) for name in ("prometheus", "prometheus-alertmanager")}
    with ExitStack() as held:
        hooks, mail = held.enter_context(http_sink()), held.enter_context(mail_sink())
        port = {name: free_port() for name in ("app", "prometheus", "alertmanager")}
        at = {name: f"127.0.0.1:{number}" for name, number in port.items()}
        nobody = held.enter_context(http_sink())
        nobody.status = 404
        channels = folder / "channels.toml"
        channels.write_text(CHANNELS.format(refused=nobody.port, away=free_port()))
        options = ("--policy", str(HERE / "policy.toml"), "--channels", str(channels))
        sidecar = held.enter_context(sidecar_running(f"sqlite:///{folder / 'ledger.db'}", folder, *options))
        bring_a_bill(sidecar.url)
        app = held.enter_context(_app(sidecar.url, folder / "spool", port["app"]))
        places = {"alertmanager:9093": at["alertmanager"], "localhost:9090": at["prometheus"], "demo:9464": at["app"]}
        # Prometheus finds the sidecar; what Alertmanager would tell it, the sink is told.
        routes = {"mail:1025": f"127.0.0.1:{mail.port}", "sidecar:4318": f"127.0.0.1:{hooks.port}"}
        stack.write_configurations(folder / "p", {**places, "sidecar:4318": sidecar.url[7:]}, quicker_rules)
        stack.write_configurations(folder / "a", {**places, **routes}, routes=quicker_routes)
        settings = folder / "p" / "prometheus.yml"
        settings.write_text(re.sub(r"(scrape|evaluation)_interval: \w+", r"\1_interval: 1s", settings.read_text()))
        for command, ready in (
            (stack.alertmanager_command(programs["prometheus-alertmanager"], folder / "a", at["alertmanager"]),
             f"http://{at['alertmanager']}/-/ready"),
            (stack.prometheus_command(programs["prometheus"], folder / "p", at["prometheus"], resend="1s"),
             f"http://{at['prometheus']}/-/ready"),
        ):  # fmt: skip
            held.enter_context(prometheus.running(command, ready, folder / f"{Path(command[0]).name}.log"))
        yield Whole(sidecar, app, hooks, mail, f"http://{at['prometheus']}", f"http://{at['alertmanager']}")


@contextmanager
def _app(sidecar: str, spool: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(HERE / "asking.py"), sidecar, str(spool), str(port)]
    app = subprocess.Popen(command, env=environment(""), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert app.stdout is not None
        assert app.stdout.readline() == "ready\n"
        yield app
    finally:
        app.terminate()
        app.wait(PATIENCE)
