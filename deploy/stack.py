"""`make stack`: the observability stack without Docker, until Ctrl-C.

Debian's Prometheus and Alertmanager with the configurations of this folder, a sidecar with `policy.toml`, an app with
simulated calls, and a mail server that prints what it gets.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from threading import Event
from typing import Any

import yaml
from aiosmtpd.controller import Controller

HERE = Path(__file__).resolve().parent
DASHBOARDS = HERE.parent / "dashboards"
USUAL_PORTS = {
    "sidecar:4318": 4318, "demo:9464": 9464, "localhost:9090": 9090, "alertmanager:9093": 9093, "mail:1025": 1025,
}  # fmt: skip
"""The addresses in the configurations, and the port that each has here, if nobody else has it."""
PROGRAMS = {"prometheus": ("prometheus",), "alertmanager": ("prometheus-alertmanager", "alertmanager")}
START_SECONDS = 60.0
END_SECONDS = 20.0
LOOK_SECONDS = 2.0

Change = Callable[[str], str]


def as_it_is(text: str) -> str:
    return text


def write_configurations(
    folder: Path, places: Mapping[str, str], rules: Change = as_it_is, routes: Change = as_it_is
) -> None:
    """The files of this folder for this machine. `places`: where the addresses in them are here; jobs without one are
    left out. `rules` and `routes` change the text of rule files and of Alertmanager's file."""
    (folder / "rules").mkdir(parents=True)
    for path in (DASHBOARDS / "prometheus").glob("*.rules.yml"):
        (folder / "rules" / path.name).write_text(rules(path.read_text()))
    settings = yaml.safe_load((HERE / "prometheus" / "prometheus.yml").read_text())
    settings["rule_files"] = [str(folder / "rules" / "*.rules.yml")]
    jobs = [(job, job["static_configs"][0]) for job in settings["scrape_configs"]]
    settings["scrape_configs"] = [job for job, said in jobs if said["targets"][0] in places]
    for said in [said for _, said in jobs] + [
        one["static_configs"][0] for one in settings["alerting"]["alertmanagers"]
    ]:
        said["targets"] = [places.get(target, target) for target in said["targets"]]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    text = (HERE / "alertmanager" / "alertmanager.yml").read_text()
    for address, place in places.items():
        text = text.replace(address, place)
    (folder / "alertmanager.yml").write_text(routes(text.replace("/etc/alertmanager", str(HERE / "alertmanager"))))


def prometheus_command(program: str, folder: Path, address: str, resend: str = "5s") -> list[str]:
    return [
        program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}", "--enable-feature=exemplar-storage",
        # What fires before Alertmanager is found would else be told a minute later.
        f"--rules.alert.resend-delay={resend}",
    ]  # fmt: skip


def alertmanager_command(program: str, folder: Path, address: str) -> list[str]:
    return [
        program, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}", "--cluster.listen-address=",
    ]  # fmt: skip


def read(url: str) -> Any:
    # A proxy that the environment names is for other hosts than this one.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=START_SECONDS) as answer:
        body = answer.read()
    return json.loads(body) if body[:1] in (b"{", b"[") else body


@contextmanager
def running(command: Sequence[str], ready: str, log: Path) -> Iterator[None]:
    """A program, from when it answers; ended with the block. Raises `RuntimeError` with what it said."""
    with log.open("wb") as output:
        # In a session of its own, so that Ctrl-C reaches this program only.
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        read(url)
    except OSError:
        return False
    return True


class Mail:
    """Prints of each mail to whom it is and what it says."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        subject = str(make_header(decode_header(message_from_bytes(envelope.content)["subject"])))
        say(f"mail to {', '.join(envelope.rcpt_tos)}: {subject}")
        return "250 OK"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def places_here() -> dict[str, str]:
    return {address: f"127.0.0.1:{_port(usual)}" for address, usual in USUAL_PORTS.items()}


def _port(usual: int) -> int:
    for port in (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("no port is free")


def find_programs() -> dict[str, str]:
    found = {name: next(filter(None, map(shutil.which, names)), None) for name, names in PROGRAMS.items()}
    if not all(found.values()):
        missing = ", ".join(name for name, path in found.items() if path is None)
        raise RuntimeError(
            f"not installed: {missing}. On Debian and Ubuntu: apt-get install prometheus prometheus-alertmanager,"
            " and systemctl disable --now prometheus prometheus-alertmanager"
        )
    return {name: str(path) for name, path in found.items()}


@contextmanager
def stack(folder: Path, policy: Path, day_seconds: float) -> Iterator[dict[str, str]]:
    """Everything, running. The addresses by their names in the configurations."""
    programs, places = find_programs(), places_here()
    write_configurations(folder, places)
    sidecar, app, prometheus, alertmanager, mail = places.values()
    port = sidecar.rpartition(":")[2]
    tollkeeper = [sys.executable, "-m", "tollkeeper"]
    serve = [*tollkeeper, "serve", "--port", port, "--grpc-port", "off", "--policy", str(policy),
             "--ledger", f"sqlite:///{folder / 'ledger.db'}"]  # fmt: skip
    traffic = [sys.executable, "-m", "tollkeeper.cli.demo.traffic", "--sidecar", f"http://{sidecar}",
               "--spool", str(folder / "spool"), "--metrics-port", app.rpartition(":")[2],
               "--seconds", str(day_seconds)]  # fmt: skip
    with ExitStack() as held:
        controller = Controller(Mail(), hostname="127.0.0.1", port=int(mail.rpartition(":")[2]))
        controller.start()
        held.callback(controller.stop)
        for command, ready in (
            (serve, f"http://{sidecar}/api/v1/health"),
            (traffic, f"http://{app}/metrics"),
            (alertmanager_command(programs["alertmanager"], folder, alertmanager), f"http://{alertmanager}/-/ready"),
            (prometheus_command(programs["prometheus"], folder, prometheus), f"http://{prometheus}/-/ready"),
        ):
            log = folder / f"{len(list(folder.glob('*.log')))}.log"
            held.enter_context(running(command, ready, log))
        yield places


def watch(prometheus: str, ended: Event) -> None:
    """Say what fires and what is over, until it has ended."""
    firing: dict[str, str] = {}
    while not ended.is_set():
        try:
            alerts = read(f"http://{prometheus}/api/v1/alerts")["data"]["alerts"]
        except (OSError, ValueError):
            alerts = None
        if alerts is not None:
            now = {json.dumps(one["labels"], sort_keys=True): _line(one) for one in alerts if one["state"] == "firing"}
            for key in now.keys() - firing.keys():
                say(f"FIRING    {now[key]}")
            for key in firing.keys() - now.keys():
                say(f"resolved  {firing[key]}")
            firing = now
        ended.wait(LOOK_SECONDS)


def _line(alert: Mapping[str, Any]) -> str:
    return f"{alert['labels']['alertname']} ({alert['labels'].get('severity')}): {alert['annotations']['summary']}"


def main(arguments: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(prog="make stack", description=__doc__)
    flags.add_argument("--policy", type=Path, default=HERE / "policy.toml", help="the limits (default: %(default)s)")
    flags.add_argument("--seconds", type=float, default=60.0, help="of a day of the app (default: %(default)g)")
    options = flags.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tollkeeper-stack-") as folder:
        try:
            with stack(Path(folder), options.policy, options.seconds) as places:
                sidecar, app, prometheus, alertmanager, _ = places.values()
                print(
                    f"Sidecar       http://{sidecar} (its page), http://{sidecar}/api/v1/docs, http://{sidecar}/metrics"
                )
                print(f"App           http://{app}/metrics")
                print(f"Prometheus    http://{prometheus}/api/v1/alerts  (rules: dashboards/prometheus)")
                print(f"Alertmanager  http://{alertmanager}/api/v2/alerts  (routes: deploy/alertmanager)")
                ended = Event()
                # An exception would be lost where Python is just throwing something away.
                for one in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(one, lambda *_: ended.set())
                print("Its web page is not in Debian's package; amtool is. Ctrl-C ends everything.", flush=True)
                watch(prometheus, ended)
        except KeyboardInterrupt:
            pass  # it had not begun
        except RuntimeError as error:
            print(f"make stack: {error}", file=sys.stderr)
            return 1
    say("Everything has ended.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
