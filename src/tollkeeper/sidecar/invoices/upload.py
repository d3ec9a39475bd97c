"""A CSV file that somebody brings: which kind it is, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from tollkeeper.insight.reconcile.line import InvoiceLine, added
from tollkeeper.sidecar.invoices.exports import EXPORTS, Export
from tollkeeper.sidecar.invoices.mapped import PRESETS, Mapped, read_mapped
from tollkeeper.sidecar.invoices.sheet import Sheet, SheetError, missing, read_sheet

FORMS = (*(export.name for export in EXPORTS), *PRESETS)
MOST_ROWS_KEPT = 50
"""Of the rows that one line is made of, so many are kept as they are."""


class Upload(NamedTuple):
    """What a file says: each line once, and how many rows it was made of."""

    form: str
    rows: int
    lines: list[InvoiceLine]


def read_upload(
    content: str, name: str = "the file", form: str | None = None, mapping: Mapping[str, Any] | None = None
) -> Upload:
    """A file of a known form, told by its columns if `form` does not say; or of any, by a mapping of its columns.

    A mapping changes, too, what a form such as `azure` says. Raises `SheetError` that tells all that is wrong.
    """
    sheet = read_sheet(content, name)
    if mapping or form in PRESETS:
        mapped = _mapped({**PRESETS.get(form or "", {}), **(mapping or {})})
        lines = list(read_mapped(sheet, mapped))
        found = form or "mapping"
    else:
        export = _export(sheet, form)
        lines = list(export.read(sheet, export))
        found = export.name
    sheet.finish()
    if not lines:
        raise SheetError(f"{name} has no figures; expected rows with amounts or tokens")
    return Upload(found, len(sheet.rows), _together(lines))


def _export(sheet: Sheet, form: str | None) -> Export:
    if form is None:
        fitting = [export for export in EXPORTS if not missing(sheet.columns, export.needed)]
        if fitting:
            return fitting[0]
        there = ", ".join(sheet.columns)
        raise SheetError(f"{sheet.name} is of no form that is known, with the columns {there:.500}; expected a mapping")
    for export in EXPORTS:
        if export.name == form:
            if gone := missing(sheet.columns, export.needed):
                raise SheetError(f"{sheet.name} has no column {', '.join(map(repr, gone))}, as {form} has")
            return export
    raise SheetError(f"form is {form!r:.60}; expected one of {', '.join(FORMS)}")


def _mapped(said: Mapping[str, Any]) -> Mapped:
    known = {each.name for each in fields(Mapped)}
    problems = [f"mapping.{name}: expected one of {', '.join(sorted(known))}" for name in said if name not in known]
    problems += [f"mapping.{name} is missing; expected a text" for name in ("provider", "day") if not said.get(name)]
    for name, value in said.items():
        wanted = bool if name in ("cents", "decimal_comma") else dict if name == "only" else str
        if name in known and value is not None and not isinstance(value, wanted):
            problems.append(f"mapping.{name} is {value!r:.60}; expected a {wanted.__name__}")
    if problems:
        raise SheetError("\n".join(problems))
    return Mapped(**{"source": f"{said['provider']}-csv", **said})


def _together(lines: list[InvoiceLine]) -> list[InvoiceLine]:
    found: dict[str, InvoiceLine] = {}
    for line in lines:
        known = found.get(line.id)
        if known is None:
            found[line.id] = line
            continue
        rows = known.raw.get("rows", [known.raw])
        both = added(known._replace(raw={}), line._replace(raw={}))
        if len(rows) < MOST_ROWS_KEPT:
            rows = [*rows, line.raw]
        found[line.id] = both._replace(raw={"rows": rows, "of": known.raw.get("of", 1) + 1})
    return list(found.values())
