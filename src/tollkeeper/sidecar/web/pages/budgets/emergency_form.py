"""What is done in an emergency, as a person types it: as the table of a policy, and back."""

from __future__ import annotations

from starlette.datastructures import FormData

from tollkeeper.policy.document import Document
from tollkeeper.sidecar.web.amounts import read_whole
from tollkeeper.sidecar.web.pages.budgets.conditions import conditions_text, read_models
from tollkeeper.sidecar.web.pages.budgets.limit_form import Mistaken


def said_of(table: Document) -> Document:
    """The emergency of a policy as it is typed."""
    return {
        "models": "\n".join(conditions_text([each]) for each in table.get("models", {}).items()),
        "tokens": str(table.get("tokens", "")),
        "shed": list(table.get("shed", ())),
        "throttle": table.get("throttle", ""),
    }


def typed_emergency(form: FormData) -> Document:
    """The same, as it was sent."""
    words = {name: str(form.get(name, "")).strip() for name in ("models", "tokens", "throttle")}
    return {**words, "shed": [str(each) for each in form.getlist("shed")]}


def emergency_table(form: FormData) -> Document:
    """The table of a policy that says the same. Raises `Mistaken`."""
    said, mistakes = typed_emergency(form), {}
    table: Document = {"shed": said["shed"], "throttle": said["throttle"]}
    for name, read in (("models", read_models), ("tokens", read_whole)):
        try:
            table[name] = read(said[name]) if said[name] else None
        except ValueError as expected:
            mistakes[name] = str(expected)
    if mistakes:
        raise Mistaken(mistakes)
    table = {name: value for name, value in table.items() if value}
    if not table:
        raise Mistaken({"": "Say at least one thing that is done; without that an emergency does nothing."})
    return table
