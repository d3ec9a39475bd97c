"""Another model for a call whose arguments name it: those of SDKs without one door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollkeeper.capture.contract import Request


def ask_model(request: Request, model: str) -> bool:
    """Put the model in place of the one that the keyword arguments name, or the JSON in them. False: neither does.

    The caller's own objects are left as they are.
    """
    for place in (None, "json"):
        said: Any = request.kwargs if place is None else request.kwargs.get(place)
        if isinstance(said, Mapping) and isinstance(said.get("model"), str):
            changed = {**said, "model": model}
            request.kwargs = changed if place is None else {**request.kwargs, place: changed}
            if "model" in request.body:
                request.body = {**request.body, "model": model}
            request.call.request_model = model
            return True
    return False
