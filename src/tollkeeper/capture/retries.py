"""An SDK that sends a call once more by itself: each attempt passes the gate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context

from tollkeeper.capture.contract import Adapter, Target
from tollkeeper.capture.emit import OBSERVATION_KEY, Emitter
from tollkeeper.capture.observation import Observation


def before_retry(
    original: Callable[..., Any], target: Target, adapter: Adapter, emitter: Emitter
) -> Callable[..., Any]:
    """`original`, by which an SDK waits before its next attempt, once that has been admitted.

    It is given `response`, the answer of the attempt that failed, or `None` where there was none.
    """

    @functools.wraps(original)
    def waiting(*args: Any, **kwargs: Any) -> Any:
        observation = otel_context.get_value(OBSERVATION_KEY)
        if emitter.gate is not None and isinstance(observation, Observation) and observation.ticket is not None:
            was_answered = kwargs.get("response") is not None
            observation.ticket = emitter.gate.again(observation.ticket, observation.request, adapter, was_answered)
        return original(*args, **kwargs)

    return waiting
