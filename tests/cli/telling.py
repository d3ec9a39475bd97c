"""The command line as somebody at a terminal has it: what is typed, and what is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pytest

from sidecar.api.world import World
from tollkeeper.cli.main import main


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table, without its head."""
        lines = [line for line in self.out.splitlines() if line.strip()]
        start = next((at + 1 for at, line in enumerate(lines) if "───" in line), 0)
        return [re.split(r" {2,}", line.strip()) for line in lines[start:]]


Tell = Callable[..., Said]


def telling(world: World, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    """What runs a command against the sidecar of a world, with its administrator's key."""
    monkeypatch.setenv("TOLLKEEPER_URL", url)
    monkeypatch.setenv("TOLLKEEPER_API_KEY", world.key("admin"))

    def tell(*arguments: str) -> Said:
        code = main(arguments)
        return Said(code, *capsys.readouterr())

    return tell
