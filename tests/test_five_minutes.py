"""The first section of `docs/alerts.md`, typed as it stands: from nothing to a mail about a budget of one's own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from capture.processes import environment
from services.sinks import mail_sink
from sidecar.running import SECONDS, Sidecar, running
from tollkeeper.simulator import Simulator

PAGE = (Path(__file__).parents[1] / "docs" / "alerts.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## In five minutes\n")[2].partition("\n## ")[0]
BLOCKS = [dedent(block).strip() for block in re.findall(r"(?:^(?:    .*)?\n)+", SECTION, re.MULTILINE) if block.strip()]
POLICY, CHANNELS, _, COMMANDS, APP = BLOCKS


def typed(sidecar: Sidecar, *arguments: str) -> str:
    """What a command says to a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "tollkeeper", *arguments],
        env={**environment(""), "TOLLKEEPER_URL": sidecar.url},
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_takes_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert COMMANDS.splitlines()[1:] == [
        "tollkeeper serve --policy policy.toml --channels channels.toml",
        "tollkeeper channels test me",
    ]
    policy, channels = tmp_path / "policy.toml", tmp_path / "channels.toml"
    policy.write_text(POLICY)
    channels.write_text(CHANNELS)
    with mail_sink() as mail, Simulator(seed=1) as simulator:
        address = f"mailto://127.0.0.1:{mail.port}?mode=insecure&from=me@example.com&to=me@example.com"
        monkeypatch.setenv("ALERTS_URL", address)
        given = ("--policy", str(policy), "--channels", str(channels))
        with running(f"sqlite:///{tmp_path}/tollkeeper.db", tmp_path, *given) as sidecar:
            assert typed(sidecar, "channels", "test", "me").startswith("sent: taken by the service\n")
            app = APP.replace("http://127.0.0.1:4318", sidecar.url)
            subprocess.run(
                [sys.executable, "-c", app],
                env={**environment(""), "OPENAI_BASE_URL": simulator.base_url("openai"), "OPENAI_API_KEY": "none"},
                timeout=SECONDS,
                check=True,
            )
            until = time.monotonic() + SECONDS
            while len(mail.messages) < 2 and time.monotonic() < until:
                time.sleep(0.05)
            said = [str(message["Subject"]) for message in mail.messages]
            assert said[0] == "Warning: example at 85 % for tenant acme"
            assert re.fullmatch(r"Critical: daily at \d+(\.\d)? % for tenant acme", said[1]), said
            assert "for tenant acme" in typed(sidecar, "alerts")
            assert "taken by the service" in typed(sidecar, "alerts", "log")
