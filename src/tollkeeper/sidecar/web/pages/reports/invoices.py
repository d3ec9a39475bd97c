"""An export of a provider's console: first what it says, then, with a reason, it is kept."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import Response

from tollkeeper.client import ApiError
from tollkeeper.sidecar.web.pages.reports.reconciliation import HERE, shown
from tollkeeper.sidecar.web.routes import Change
from tollkeeper.sidecar.web.view import SAY_WHY, View

LARGEST = 8 << 20
COLUMNS = ("provider", "day", "model", "amount", "currency", "prompt", "output", "requests", "day_format")
"""What can be said about a file of no known form."""


class Unreadable(Exception):
    """There is no file, or none that can be read."""


async def read(view: View) -> Response:
    """What a file says. Nothing is kept of it."""
    try:
        name, content = await _file(view)
        found = await view.api.import_invoice(content, **_how(view, name))
    except Unreadable as wrong:
        return await _again(view, str(wrong))
    except ApiError as error:
        return await _again(view, error.message)
    return _review(view, content, name, found)


async def keep(view: View) -> Response:
    """The same file, which comes back from the review."""
    content, name = str(view.form.get("content", "")), view.field("name")
    try:
        if not view.field("reason"):
            found = await view.api.import_invoice(content, **_how(view, name))
            return _review(view, content, name, found, SAY_WHY)
        done = await view.api.import_invoice(content, **_how(view, name), apply=True, reason=view.field("reason"))
    except ApiError as error:
        return await _again(view, error.message)
    return view.done(HERE, f"Imported: {done.new} new lines, {done.changed} changed, {done.unchanged} known already.")


async def _file(view: View) -> tuple[str, str]:
    file = view.form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise Unreadable("Choose a file, as a provider's console exports it.")
    content = await file.read(LARGEST + 1)
    name = file.filename[:200]
    if len(content) > LARGEST:
        raise Unreadable(f"{name} is larger than {LARGEST >> 20} MiB; import it with tollkeeper reconcile import FILE.")
    try:
        return name, content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is no text in UTF-8; expected CSV or JSON.") from None


def _how(view: View, name: str) -> dict[str, Any]:
    """How it is to be read."""
    mapping: dict[str, Any] = {column: said for column in COLUMNS if (said := view.field(f"map_{column}"))}
    if view.field("map_decimal_comma"):
        mapping["decimal_comma"] = True
    return {"name": name or None, "form": view.field("form") or None, "mapping": mapping or None}


def _mapping(view: View) -> dict[str, str]:
    return {name: view.field(name) for name in view.form if name.startswith("map_")}


async def _again(view: View, problem: str) -> Response:
    return await shown(view, 422, problem=problem, field="file", mapping=_mapping(view))


def _review(view: View, content: str, name: str, found: Any, problem: str = "") -> Response:
    return view.page(
        "reports/invoice.html", 422 if problem else 200, title="An invoice", found=found, content=content, name=name,
        form=view.field("form"), mapping=_mapping(view), problem=problem,
    )  # fmt: skip


ROUTES: tuple[Change, ...] = (
    Change("/reports/invoices/read", read, "edit"),
    Change("/reports/invoices", keep, "edit"),
)
