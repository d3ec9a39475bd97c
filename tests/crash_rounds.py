"""How often something is killed: a few times in every run of the tests, and a hundred times by `make crash`."""

from __future__ import annotations

import os


def rounds(usually: int) -> int:
    """`TOLLKEEPER_CRASH_ROUNDS`, where it is set. Each round has a seed of its own."""
    return int(os.environ.get("TOLLKEEPER_CRASH_ROUNDS", usually))
