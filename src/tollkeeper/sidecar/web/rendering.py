"""Templates, and the files that pages load: by names that change with their content, so that browsers keep them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

STATIC = Path(__file__).parent / "static"
A_YEAR = 365 * 86_400
DIGITS = 12


class Templates:
    """The templates of all pages. A name that a template does not get is an error, and no empty text."""

    def __init__(self, everywhere: Mapping[str, Any]) -> None:
        self._environment = Environment(
            loader=PackageLoader("tollkeeper.sidecar.web"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        self._environment.globals.update(everywhere, static=static)
        self._environment.filters.update(script_json=script_json, bar=bar)

    def get_template(self, name: str) -> Template:
        return self._environment.get_template(name)


def script_json(value: Any) -> Markup:
    """JSON that can stand in a `<script>`: nothing in it can end the element."""
    told = json.dumps(value, default=_number, allow_nan=False, separators=(",", ":"))
    for each in "<>&\u2028\u2029":
        told = told.replace(each, f"\\u{ord(each):04x}")
    return Markup(told)  # noqa: S704  what could be markup was written otherwise just now


def bar(share: Decimal | float | None) -> str:
    """A share of one as the width of a bar of 100, from 0 to 100."""
    return f"{min(100.0, max(0.0, float(share or 0) * 100)):.2f}"


def static(name: str) -> str:
    """The address of a file that pages load."""
    assert name in _files(), name
    return f"/static/{_digest()}/{name}"


async def serve_static(request: Request) -> Response:
    """A file, to be kept for ever where its digest is the one that was asked for."""
    digest, _, name = request.path_params["path"].partition("/")
    if name not in _files():
        return PlainTextResponse("there is no such file", 404)
    kept = f"public, max-age={A_YEAR}, immutable" if _digest() == digest else "no-cache"
    headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    return FileResponse(_files()[name], headers=headers)


@cache
def _files() -> Mapping[str, Path]:
    return {path.relative_to(STATIC).as_posix(): path for path in sorted(STATIC.rglob("*")) if path.is_file()}


@cache
def _digest() -> str:
    """One of all files: a module imports others by their place beside it, so by its own digest."""
    together = hashlib.sha256()
    for path in _files().values():
        together.update(hashlib.sha256(path.read_bytes()).digest())
    return together.hexdigest()[:DIGITS]


def _number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{value!r} cannot be drawn")
