"""How a provider has answered of late."""

from __future__ import annotations

from typing import Literal, NamedTuple

Circuit = Literal["closed", "open", "half_open"]
"""`closed`: calls are sent. `open`: it has failed so often that they are not, where they can go elsewhere. `half_open`:
one is sent, to see whether it answers again."""


class Health(NamedTuple):
    """Of one model of one provider, over its newest calls. `success` is a share of one; latencies are in seconds, of
    the calls that were answered; both are `None` where there were none.
    """

    provider: str
    model: str
    calls: int
    success: float | None
    latency_p50: float | None
    latency_p95: float | None
    circuit: Circuit
