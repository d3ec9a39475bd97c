"""The limits that the options ask for: a policy, counters, and the gate that goes by them."""

from __future__ import annotations

import inspect
import os
import platform
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tollkeeper.capture import counting
from tollkeeper.capture.ship import spool_root
from tollkeeper.config import Settings

if TYPE_CHECKING:
    from tollkeeper.capture.courier import Courier
    from tollkeeper.capture.feed import Feed
    from tollkeeper.capture.fleet_health import Told
    from tollkeeper.capture.gate import Gate
    from tollkeeper.capture.policy_feed import PolicyFeed
    from tollkeeper.capture.thresholds import Crossing
    from tollkeeper.policy import Policy
    from tollkeeper.pricing import Catalog


UNKNOWN = "limits-unknown"
"""The limit that denies all calls until the sidecar's are known."""


def gate(settings: Settings, catalog: Catalog, courier: Callable[[], Courier]) -> Gate | None:
    """The gate of an app that has a policy, or a sidecar whose policy it follows: from when that is known on.

    What is told of limits is told on the courier's thread.
    """
    policy = _policy(settings)
    if policy is None and settings.sidecar is None:
        return None
    from tollkeeper.capture.gate import Gate  # noqa: PLC0415  an app without limits need not load it
    from tollkeeper.capture.thresholds import Thresholds  # noqa: PLC0415  the same
    from tollkeeper.storage.admission import Admission  # noqa: PLC0415  the same

    tell = _teller(settings.on_alert, courier)
    owner = f"{platform.node()}:{os.getpid()}"
    return Gate(
        Admission(policy or _until_known(settings), counting.counters(settings), owner),
        catalog,
        Thresholds(tell),
        time.monotonic,
        tell,
    )


def policy_feed(settings: Settings, gate: Gate | None) -> PolicyFeed | None:
    """What brings the sidecar's policy to a gate, where the app has none of its own."""
    if settings.sidecar is None or gate is None or _policy(settings) is not None:
        return None
    from tollkeeper.capture.policy_feed import PolicyFeed  # noqa: PLC0415  http.client takes 20 ms

    return PolicyFeed(
        settings.sidecar,
        gate.use,
        settings.sidecar_key,
        snapshot=spool_root(settings) / "policy.json",
        until_known=settings.until_limits_known,
    )


def health_feed(settings: Settings, gate: Gate | None) -> Feed[Told] | None:
    """What brings the sidecar's word of how providers do, where there is a sidecar."""
    if settings.sidecar is None or gate is None:
        return None
    from tollkeeper.capture import health_feed as feeding  # noqa: PLC0415  http.client takes 20 ms

    return feeding.health_feed(settings.sidecar, gate.fleet, settings.sidecar_key)


def check_policy(value: object) -> None:
    """Raises `ValueError` with everything that is wrong with a policy file."""
    if isinstance(value, str):
        _read(value)


def _teller(on_alert: Callable[..., Any] | None, courier: Callable[[], Courier]) -> Callable[[Crossing], object]:
    """What hands a crossing to the user's function, which may be async, and which calls do not wait for."""
    if on_alert is None:
        return lambda crossing: None
    told = on_alert

    def run(crossing: Crossing) -> None:
        result = told(crossing)
        if inspect.isawaitable(result):
            import asyncio  # noqa: PLC0415  only who needs it

            asyncio.run(_awaited(result))

    runs = courier()
    return lambda crossing: runs.soon(lambda: run(crossing), "run on_alert")


async def _awaited(result: Awaitable[object]) -> None:
    await result


def _until_known(settings: Settings) -> Policy:
    """What an app goes by that follows a sidecar, and has never heard of its policy."""
    from tollkeeper.model import Limit, Window  # noqa: PLC0415  the same
    from tollkeeper.policy import Policy  # noqa: PLC0415  the same

    if settings.until_limits_known == "allow":
        return Policy()
    return Policy(UNKNOWN, (Limit(UNKNOWN, "requests", 0, Window("day"), at=(), on_unavailable="deny"),))


def _policy(settings: Settings) -> Policy | None:
    """The policy that is given; else what the environment variables of old say."""
    if settings.policy is not None:
        return _read(settings.policy) if isinstance(settings.policy, str) else settings.policy
    from tollkeeper.policy import Policy  # noqa: PLC0415  an app without limits need not load it

    return Policy("environment", settings.seed_limits) if settings.seed_limits else None


def _read(path: str) -> Policy:
    from tollkeeper.policy.document import read_policy  # noqa: PLC0415  the same

    try:
        return read_policy(Path(path).read_bytes(), path)
    except OSError as error:
        raise ValueError(f"a file that can be read: {error.strerror or error}") from None
