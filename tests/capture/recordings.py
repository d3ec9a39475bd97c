"""The recorded exchanges, as tests want them: by surface, with the truth they must meet."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from conftest import SHARED
from tollkeeper import Call

TOKEN_FIELDS = {
    "input_tokens": "input_tokens_all",
    "output_tokens": "output_tokens_all",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "reasoning_tokens": "reasoning_tokens",
}


@functools.cache
def index() -> list[dict[str, Any]]:
    path = SHARED / "recordings" / "INDEX.json"
    return json.loads(path.read_text()) if path.exists() else []


def params(keep: Callable[[dict[str, Any]], bool]) -> Iterable[Any]:
    """One test parameter for each recording that `keep` wants; one that skips where there are none."""
    rows = [pytest.param(row, id=row["id"]) for row in index() if keep(row)]
    return rows or [pytest.param(None, id="no recordings here")]


def exchange(row: dict[str, Any]) -> dict[str, Any]:
    return json.loads((Path(SHARED) / "recordings" / row["file"]).read_text())


def call_with(method: Callable[..., Any], body: dict[str, Any], **more: Any) -> Any:
    """Call an SDK method with a recorded request body; what it has no parameter for goes into `extra_body`."""
    known = inspect.signature(method).parameters
    direct = {name: value for name, value in body.items() if name in known}
    rest = {name: value for name, value in body.items() if name not in known}
    return method(**direct, **({"extra_body": rest} if rest else {}), **more)


def disagreements(call: Call, truth: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Where a call differs from what its recorded answer says: `{field: (ours, truth)}`. `None` says nothing."""
    found = {
        name: (getattr(call.usage, name), truth[theirs])
        for name, theirs in TOKEN_FIELDS.items()
        if truth[theirs] is not None and getattr(call.usage, name) != truth[theirs]
    }
    if truth["cost"] is not None and (call.cost is None or float(call.cost.usd) != truth["cost"]):
        found["cost"] = (call.cost and call.cost.usd, truth["cost"])
    for name in ("response_model", "response_id"):
        if truth[name] and getattr(call, name) != truth[name]:
            found[name] = (getattr(call, name), truth[name])
    if truth["error_status"] is not None and call.status_code != truth["error_status"]:
        found["status_code"] = (call.status_code, truth["error_status"])
    if truth["error_type"] not in (None, "error") and call.error_type != truth["error_type"]:
        found["error_type"] = (call.error_type, truth["error_type"])
    return found
