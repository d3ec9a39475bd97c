"""Functions that channels of the tests call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

called: list[tuple[str, Mapping[str, Any]]] = []
released = threading.Event()


def sync(payload: Mapping[str, Any]) -> None:
    called.append(("sync", payload))


async def later(payload: Mapping[str, Any]) -> None:
    await asyncio.sleep(0)
    called.append(("later", payload))


def wrong(payload: Mapping[str, Any]) -> None:
    raise KeyError("a-secret-of-theirs")


async def wrong_later(payload: Mapping[str, Any]) -> None:
    await asyncio.sleep(0)
    raise ValueError("a-secret-of-theirs")


def hanging(payload: Mapping[str, Any]) -> None:
    released.wait(60)


nothing = 7
