"""`tollkeeper demo` in a process of its own: it ends by itself, and everything adds up."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from capture.processes import SECONDS, environment, run, total
from tollkeeper.cli.demo.plan import ACCIDENTS, day
from tollkeeper.simulator import Simulator

DEMO = [sys.executable, "-m", "tollkeeper.cli.main", "demo", "--no-past"]
URL = re.compile(r"http://127\.0\.0\.1:\d+/metrics")


def env(**more: str) -> dict[str, str]:
    return {**environment(""), "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", **more}


def checks(said: str) -> dict[str, tuple[str, str, str]]:
    """The rows of the last table: what, and whether it holds, and both numbers."""
    rows = re.findall(r"^ ?(ok|NO) +(.+?)  +(\S+) +(\S+) *$", said, re.MULTILINE)
    return {what: (mark, ours, theirs) for mark, what, ours, theirs in rows}


def test_a_day_adds_up_and_has_its_accidents() -> None:
    said = run([*DEMO, "--seconds", "3"], env())
    found = checks(said)
    assert len(found) == 14
    assert {mark for mark, _, _ in found.values()} == {"ok"}, said
    steps = {what: int(calls) for what, calls in re.findall(r"^ (sent .+?|denied, and not sent) +(\d+)", said, re.M)}
    assert steps["sent as it asked for"]
    assert steps["denied, and not sent"]
    sent = str(len(list(day(3, seed=1))) - steps["denied, and not sent"])
    assert found["Calls: recorded, and made by the app less those that were denied"] == ("ok", sent, sent)
    assert "limit 'agents' ($2 / day per user) for user 'initech-u-7' is used up" in said
    assert "Calls of all others that were denied: 0." in said
    assert "Every token and every call is accounted for." in said
    assert said.count("abandoned  ") == 2
    assert re.search(r"\(2 estimated, 2 with the provider's input\)", said)
    assert "429 rate_limit_error ×1" in said
    assert "unpriced" in said
    assert re.search(r"^ info +Info: agents at \d+(\.\d)? % for user initech-u-7", said, re.M)
    for name in ("acme", "globex", "initech", "claude-sonnet-4-5", "gpt-4o-mini", "gpt-5", "agent"):
        assert name in said
    assert URL.search(said)
    assert re.search(r"\$ curl http://127\.0\.0\.1:\d+/api/v1/stats", said)
    assert "\x1b" not in said


def test_it_goes_on_until_it_is_told_to_end() -> None:
    command = [*DEMO, "--seconds", "1", "--forever"]
    with subprocess.Popen(command, env=env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        url = URL.search(demo.stdout.readline())
        assert url is not None
        calls, a_day = 0.0, len(list(day(1, seed=1)))
        while calls <= a_day:
            with urllib.request.urlopen(url[0], timeout=SECONDS) as answer:
                calls = total(answer.read().decode(), "tollkeeper_calls_total")
        demo.send_signal(signal.SIGTERM)
        said = demo.communicate(timeout=SECONDS)[0]
    assert demo.returncode == 0, said
    assert {mark for mark, _, _ in checks(said).values()} == {"ok"}, said


def test_a_terminal_gets_a_live_table_and_is_told_that_there_is_no_key() -> None:
    ours, theirs = pty.openpty()
    without = {name: text for name, text in env(TERM="xterm-256color").items() if not name.startswith("OPENAI_")}
    shown = b""
    with subprocess.Popen([*DEMO, "--seconds", "2", "--live"], env=without, stdout=theirs, stderr=theirs) as demo:
        os.close(theirs)
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    said = shown.decode()
    assert demo.returncode == 0, said
    assert "Last calls" in said
    assert "The real call failed: " in said
    assert "OPENAI_API_KEY" in said
    assert "\x1b[" in said
    assert "accounted for" in said


def test_one_real_call() -> None:
    with Simulator(seed=5) as provider:
        real = env(OPENAI_API_KEY="any", OPENAI_BASE_URL=provider.base_url("openai"), NO_PROXY="127.0.0.1")
        said = run([*DEMO, "--seconds", "1", "--live"], real)
        assert len(provider.requests) == 1
    assert re.search(
        r"The real call: gpt-4o-mini-2024-07-18 at 127\.0\.0\.1, \d+ → \d+ tokens, \$0\.0000\d+, \d+ ms", said
    )
    assert {mark for mark, _, _ in checks(said).values()} == {"ok"}, said


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["--version"]])
def test_help(arguments: list[str]) -> None:
    assert "tollkeeper" in run([sys.executable, "-m", "tollkeeper.cli.main", *arguments], env())


def test_a_port_that_is_taken_is_told() -> None:
    with Simulator() as other:
        command = [*DEMO, "--metrics-port", str(other.port)]
        done = subprocess.run(command, env=env(), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"tollkeeper demo: prometheus_port is {other.port}")


def test_the_same_seed_is_the_same_day() -> None:
    assert list(day(5, seed=3)) == list(day(5, seed=3)) != list(day(5, seed=4))
    times = [job.at for job in day(5, seed=3)]
    assert times == sorted(times)
    assert sum(job.accident is not None for job in day(5, seed=3)) == len(ACCIDENTS)
