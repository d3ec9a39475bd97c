"""The contestants' processes: started, asked, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
FOREIGN = ("OTEL_", "OPENAI_", "ANTHROPIC_", "TOLLKEEPER_", "OPENLIT_", "TRACELOOP_", "OPENINFERENCE_")
OWN_VARIABLES = {
    "TRACELOOP_TRACE_CONTENT": "false",
    # The Anthropic SDK makes spans of its own once there is a global tracer provider: they are no contestant's.
    "ANTHROPIC_OPEN_TELEMETRY": "false",
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True)
class Contestant:
    """What is measured: `start` is its name in `contestants.py`, `source` a folder that it is imported from."""

    name: str
    environment: str
    start: str
    baseline: str | None = None
    source: Path | None = None


class Died(Exception):
    """A process that has ended before it was told to."""


@dataclass
class Worker:
    """The process of one contestant. `starts`: what it cost to start it, each time that this was measured."""

    contestant: Contestant
    process: subprocess.Popen[str]
    starts: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, **command: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Died(f"{self.contestant.name}: its process has ended; --verbose shows what it says") from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise Died(f"{self.contestant.name}: its process has ended; --verbose shows what it says")
        return json.loads(line)  # type: ignore[no-any-return]

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def start(contestant: Contestant, python: Path, times: int, verbose: bool) -> Worker:
    """Start a contestant's process so many times, and keep the last."""
    starts = []
    while True:
        worker = Worker(contestant, _spawn(contestant, python, verbose))
        try:
            starts.append(worker.answer())
        except Died:
            worker.end()
            raise
        if len(starts) >= times:
            worker.starts = starts
            return worker
        worker.end()


def _spawn(contestant: Contestant, python: Path, verbose: bool) -> subprocess.Popen[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | OWN_VARIABLES
    variables["PYTHONPATH"] = str(contestant.source or "")
    return subprocess.Popen(
        [str(python), str(WORKER), contestant.start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr if verbose else subprocess.DEVNULL,
        env=variables,
        text=True,
    )
