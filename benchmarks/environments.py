"""One virtual environment for each set of versions, under `.cache/bench/`, made when first needed.

`requirements/<name>.txt` pins what is in it. To measure a newer version, change the pin: the environment is made anew.
Tollkeeper itself is not installed: its workers get this checkout's `src` on their path.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "bench"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements"

PIP_MINUTES = 10
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1")


class Unavailable(Exception):
    """An environment that cannot be made here, and why."""


def interpreter(name: str, folder: Path = CACHE) -> Path:
    """The Python of an environment, which is made if it is not there, or was made from other requirements."""
    requirements = REQUIREMENTS / f"{name}.txt"
    made_from = f"{sys.version}\n{hashlib.sha256(requirements.read_bytes()).hexdigest()}"
    home = folder / name
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp = home / "made_from"
    if not (stamp.is_file() and stamp.read_text() == made_from and python.exists()):
        _make(name, home, python, requirements)
        stamp.write_text(made_from)
    return python


def _make(name: str, home: Path, python: Path, requirements: Path) -> None:
    print(f"Making the environment of {name} …", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        _run([sys.executable, "-m", "venv", str(home)])
        _run([str(python), *PIP, "--requirement", str(requirements)])
    except Unavailable:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_MINUTES * 60, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"no end after {PIP_MINUTES} minutes") from None
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")]
        raise Unavailable((errors or said or [f"exit code {done.returncode}"])[-1])
