"""The files of the stack: Prometheus and Alertmanager take theirs, and nothing in them is open or left out."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from capture.processes import environment
from deploy.whole import ROOT, stack
from services.prometheus import need

FILE = "docker-compose.observability.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / FILE).read_text())["services"]
WITHOUT_A_SHELL = {"otel-collector", "tempo"}
PLACES = {address: f"127.0.0.1:{port}" for address, port in stack.USUAL_PORTS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configurations for this machine."""
    folder = tmp_path_factory.mktemp("stack") / "here"
    stack.write_configurations(folder, PLACES)
    return folder


def ok(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tools_take_the_configurations(folder: Path) -> None:
    said = ok(need("promtool"), "check", "config", "--lint-fatal", str(folder / "prometheus.yml"))
    assert "5 rule files found" in said
    ok(need("promtool"), "check", "config", "--syntax-only", str(ROOT / "deploy" / "prometheus" / "prometheus.yml"))
    ok(need("amtool"), "check-config", str(folder / "alertmanager.yml"))


@pytest.mark.parametrize(
    ("receivers", "labels"),
    [
        ("watchdog", "alertname=TollkeeperWatchdog severity=none"),
        ("sidecar,page", "alertname=TollkeeperBudgetUsed severity=critical"),
        ("sidecar,chat", "alertname=TollkeeperCostSpike severity=warning"),
        ("sidecar,digest", "alertname=TollkeeperBudgetUsed severity=info"),
        ("chat", "alertname=SomebodyElses"),
    ],
)
def test_who_is_told(folder: Path, receivers: str, labels: str) -> None:
    config = f"--config.file={folder / 'alertmanager.yml'}"
    assert ok(need("amtool"), "config", "routes", "test", config, *labels.split()).strip() == receivers


def test_docker_compose_takes_the_file(tmp_path: Path) -> None:
    """Where there is one. Debian 12 has none that knows today's files."""
    copied = tmp_path / "repository"
    shutil.copytree(ROOT / "deploy", copied / "deploy")
    shutil.copy(ROOT / FILE, copied)
    ok("sh", str(copied / "deploy" / "secrets.sh"))
    passwords = (copied / ".env").read_text()
    assert (copied / ".env").stat().st_mode & 0o077 == 0
    assert len(set(re.findall(r"=([0-9a-f]{48})$", passwords, re.MULTILINE))) == passwords.count("\n") == 3
    ok("sh", str(copied / "deploy" / "secrets.sh"))
    assert (copied / ".env").read_text() == passwords
    command = compose()
    if command is not None:
        ok(*command, "-f", str(copied / FILE), "--profile", "traces", "config", "--quiet")


def compose() -> list[str] | None:
    docker = shutil.which("docker")
    if docker and not subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        return [docker, "compose"]
    alone = shutil.which("docker-compose")
    said = subprocess.run([alone, "version"], capture_output=True, text=True, check=False).stdout if alone else ""
    return [str(alone)] if re.search(r" v?[2-9]\.", said) else None


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_closed_pinned_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\$\{[A-Z_]+_IMAGE:-[^}:]+:(?!latest)[^}:]+\}", service["image"])
    assert all(port.startswith("127.0.0.1:${") for port in service.get("ports", ()))
    assert "no-new-privileges:true" in service["security_opt"]
    assert ("healthcheck" in service) == (name not in WITHOUT_A_SHELL)
    for mount in service.get("volumes", ()):
        source = mount.partition(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists() and mount.endswith(":ro"), mount
    for password in re.findall(r"\$\{\w*PASSWORD[^}]*\}", str(service)):
        assert ":?" in password, "a password without a default"


def test_every_address_in_the_configurations_is_a_service() -> None:
    texts = "".join(
        path.read_text() for path in (ROOT / "deploy").rglob("*.y*ml") if "provisioning/dashboards" not in str(path)
    )
    known = {*SERVICES, "localhost", "0.0.0.0", "127.0.0.1"}
    assert set(re.findall(r"([a-z0-9.-]+):\d{4,5}\b", texts)) <= known


def test_make_stack_runs_until_ctrl_c_and_leaves_nothing(tmp_path: Path) -> None:
    need("prometheus")
    env = environment("", TMPDIR=str(tmp_path))
    command = [sys.executable, str(ROOT / "deploy" / "stack.py")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        said = ""
        while "Ctrl-C ends everything" not in said:
            line = running.stdout.readline()
            assert line, said
            said += line
        addresses = dict(re.findall(r"^(\w+)\s+http://([\d.:]+)", said, re.MULTILINE))
        assert stack.read(f"http://{addresses['Prometheus']}/-/ready")
        running.send_signal(signal.SIGINT)
        assert running.wait(120) == 0, "each of its programs has 20 s to end, and is killed then"
    assert not list(tmp_path.iterdir())
    for address in addresses.values():
        with pytest.raises(OSError):
            stack.read(f"http://{address}/")
