"""Programs in processes of their own, with Tollkeeper from this working tree, and what `/metrics` says."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

SOURCE = Path(__file__).resolve().parents[2] / "src"
SECONDS = 60
"""Long enough for any of these programs; a hang ends as a failure."""

ASK = """
import os, openai
def ask():
    with openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="any") as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
"""
"""The beginning of a program that asks the simulator, each time on a connection that no other process has."""


def environment(base_url: str, path: Path | None = None, **more: str) -> dict[str, str]:
    """The environment of a program: nobody's settings but these. `path` comes first among what it can import."""
    # Hundreds of programs are started: one has what the one before it has compiled.
    others = ("OTEL_", "TOLLKEEPER_", "PROM", "PYTHONDONTWRITEBYTECODE")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(others)}
    paths = [str(each) for each in (path, SOURCE) if each is not None]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "BASE_URL": base_url, **more}


def run(program: str | list[str], env: Mapping[str, str], seconds: float = SECONDS) -> str:
    """What the program prints; it must end well."""
    command = [sys.executable, "-c", program] if isinstance(program, str) else program
    done = subprocess.run(command, env=env, timeout=seconds, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return str(answer.read().decode())


def total(text: str, sample: str, **labels: str) -> float:
    """The sum over the samples of this name whose labels include these."""
    return sum(
        each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    )
