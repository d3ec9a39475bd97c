"""The ways in which an app asks through an SDK: plainly, in a stream, by helpers, and for the raw answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from capture.bench import Bench, ways
from capture.scenarios import Surface, settle

Asking = Callable[[Bench], Awaitable[Any]]


async def plain(bench: Bench) -> None:
    await bench.plain()


async def stream(bench: Bench) -> None:
    await bench.read(await bench.stream())


async def helper(bench: Bench) -> None:
    await bench.surface.helper(bench.client, bench.is_async)


async def parse(bench: Bench) -> None:
    await settle(bench.surface.parse(bench.client, bench.is_async))


async def raw(bench: Bench) -> None:
    await settle(bench.surface.raw(bench.client).with_raw_response.create(**bench.surface.ask()))


async def raw_stream(bench: Bench) -> None:
    manager = bench.surface.raw(bench.client).with_streaming_response.create(**bench.surface.ask())
    if bench.is_async:
        async with manager:
            pass
    else:
        with manager:
            pass


NEEDED = {helper: "has_helper", parse: "has_parse", raw: "has_raw", raw_stream: "has_raw"}
"""What a surface has, if it can be asked so."""


def has(action: Asking, surface: Surface) -> bool:
    return action not in NEEDED or bool(getattr(surface, NEEDED[action]))


def askings(*actions: Asking) -> list[Any]:
    """Every way to call each surface, by each of these actions that it has."""
    return [
        pytest.param(*way.values, action, id=f"{way.id}-{action.__name__}")
        for way in ways()
        for action in actions
        if has(action, way.values[0].surface)
    ]
