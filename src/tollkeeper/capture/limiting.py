"""The limits that the options ask for: a policy, counters, and the gate that goes by them."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING

from tollkeeper.config import Settings

if TYPE_CHECKING:
    from tollkeeper.capture.gate import Gate
    from tollkeeper.policy import Policy
    from tollkeeper.pricing import Catalog


def gate(settings: Settings, catalog: Catalog) -> Gate | None:
    """The gate of an app that has a policy."""
    policy: Policy | None = settings.policy
    if policy is None:
        return None
    from tollkeeper.capture.gate import Gate  # noqa: PLC0415  an app without limits need not load it
    from tollkeeper.capture.thresholds import Thresholds  # noqa: PLC0415  the same
    from tollkeeper.storage.admission import Admission  # noqa: PLC0415  the same
    from tollkeeper.storage.counters.memory import MemoryCounters  # noqa: PLC0415  the same

    owner = f"{platform.node()}:{os.getpid()}"
    return Gate(Admission(policy, MemoryCounters(), owner), catalog, Thresholds(lambda crossing: None), time.monotonic)
