"""The audit trail: who changed what, from what to what and why; and whether it is as it was written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from tollkeeper.client.records import Change
from tollkeeper.sidecar.api.answer import moment
from tollkeeper.sidecar.web.filters import NAMED_RANGES
from tollkeeper.sidecar.web.pages.budgets.difference import NOTHING
from tollkeeper.sidecar.web.pages.budgets.difference import differences as policy_differences
from tollkeeper.sidecar.web.pages.settings.subjects import Subject, subject_of
from tollkeeper.sidecar.web.view import View

PAGE = 50
LONGEST_VALUE = 400
A_MOMENT = 10**17
"""A number as large as this that is called a moment is one, in nanoseconds since the epoch."""
FIELDS = ("author", "kind", "action", "object_id")


MOMENTS = ("valid_from", "valid_to", "start", "end")
OF_THE_ENTRY = ("author", "hash", "id", "kind", "reason", "recorded_at", "replaces", "row")
"""What a version of a price says of itself, and the entry in its own columns."""
Rows = Sequence[tuple[str, str, str]]


class Entry(NamedTuple):
    """A change, what it is about, and what is different: names, and what they were and are."""

    change: Change
    subject: Subject
    rows: Rows


async def show(view: View) -> Response:
    """Newest first, page by page."""
    query, period = view.request.query_params, view.filters.period
    wanted = {name: query.get(name, "") for name in FIELDS}
    found = await view.together(
        audit=view.api.audit(
            author=wanted["author"] or None, action=wanted["action"] or None, kind=wanted["kind"] or None,
            object_id=wanted["object_id"] or None, cursor=query.get("cursor"), limit=PAGE,
            start=period.first, end=period.last, zone=view.filters.zone_name,
        )
    )  # fmt: skip
    checked = await view.together(sound=view.api.verify_audit()) if query.get("verify") == "yes" else {"sound": None}
    changes = found["audit"].changes if found["audit"] else []
    entries = [Entry(each, subject_of(each), rows_of(each)) for each in changes]
    return view.page(
        "settings/audit.html", title="Settings", tab="audit", entries=entries, wanted=wanted, ranges=NAMED_RANGES,
        verified=query.get("verify") == "yes", **found, **checked,
    )  # fmt: skip


def rows_of(change: Change) -> Rows:
    """What is different, in the words of what was changed."""
    if change.kind == "policy" and isinstance(change.after, dict):
        return policy_differences(change.before or NOTHING, change.after)
    if change.kind in ("price", "alias", "discount"):
        rows = differences(_said(change.before), _said(change.after))
    else:
        rows = differences(change.before, change.after)
    return [(name.replace("_", " "), before, after) for name, before, after in rows]


def _said(version: Any) -> Any:
    """What a version of a price says, without what is said of the version."""
    if not isinstance(version, dict):
        return version
    rest = {
        name: value
        for name, value in version.items()
        if name not in ("content", *OF_THE_ENTRY) and value not in ("", False)
    }
    return {**version.get("content", {}), **rest}


def differences(before: Any, after: Any) -> tuple[tuple[str, str, str], ...]:
    """What is not the same, by the path to it."""
    then, now = flat(before), flat(after)
    names = sorted({*then, *now})
    return tuple((name, then.get(name, "–"), now.get(name, "–")) for name in names if then.get(name) != now.get(name))


def flat(value: Any, path: str = "") -> dict[str, str]:
    """Each value by the path to it; members of lists by their names, where they have some."""
    if isinstance(value, dict) and value:
        return {name: text for key, each in value.items() for name, text in flat(each, _under(path, str(key))).items()}
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        named = [(_name_of(each, number), each) for number, each in enumerate(value)]
        return {name: text for key, each in named for name, text in flat(each, _under(path, key)).items()}
    if value is None or value == {} or value == []:
        return {}
    if (path.endswith("_at") or path in MOMENTS) and isinstance(value, int) and value > A_MOMENT:
        return {path: moment(value).isoformat(sep=" ", timespec="seconds")}
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return {path or "value": text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"}


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _name_of(member: Any, number: int) -> str:
    if isinstance(member, dict):
        said = member.get("name") or member.get("limit")
        return str(said) if said else str(number + 1)
    return str(number + 1)
