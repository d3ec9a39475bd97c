"""What an entry of the audit trail is about, by name, as far as the entry says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from tollkeeper.client.records import Change
from tollkeeper.sidecar.web.pages.budgets.conditions import calls_words
from tollkeeper.sidecar.web.pages.budgets.difference import NOTHING, different

MOST_NAMES = 3
ALL_CALLS = "all calls"


class Subject(NamedTuple):
    """`words` of what; `link` is where it can be looked at, `id` what the trail calls it, where that is no name."""

    words: str
    id: str = ""
    link: str = ""


def subject_of(change: Change) -> Subject:
    """By its name; of what the entry has no name of, where it is."""
    if change.kind in LINKS:
        return Subject("the " + change.kind, change.object_id, LINKS[change.kind] + quote(change.object_id, safe=""))
    said = change.after if isinstance(change.after, dict) else change.before
    named = NAMES.get(change.kind)
    words = named(change, said) if named is not None and isinstance(said, dict) else ""
    if not words:
        return Subject(change.object_id)
    return Subject(words, "" if change.object_id in words else change.object_id)


def _policy(change: Change, said: dict[str, Any]) -> str:
    names = sorted(different(change.before or NOTHING, said), key=lambda name: not name.startswith("limit "))
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _price(_: Change, said: Mapping[str, Any]) -> str:
    content = said.get("content", {})
    whose, model = (content.get(name, "*") for name in ("provider", "model"))
    words = " ".join(each for each in (whose, model) if each != "*") or "all models"
    return f"{words} for {content['tenant']}" if content.get("tenant") else words


def _silence(_: Change, said: Mapping[str, Any]) -> str:
    return calls_words({"tags": said.get("match", {})}) or "all alerts"


def _key(_: Change, said: Mapping[str, Any]) -> str:
    return str(said.get("name", ""))


def _session(_: Change, said: Mapping[str, Any]) -> str:
    return str(said.get("user") or f"key {said.get('key')}")


def _usage(change: Change, said: Mapping[str, Any]) -> str:
    scope = calls_words({"tags": said.get("scope", {})})
    return ", ".join(filter(None, (change.object_id, scope)))


def _period(_: Change, said: Mapping[str, Any]) -> str:
    return calls_words({"tags": said.get("filters", {})}) or ALL_CALLS


def _invoice(change: Change, said: Mapping[str, Any]) -> str:
    models = ", ".join(said.get("models", ()))
    return " ".join(filter(None, (said.get("provider", ""), models))) or change.object_id


LINKS: Mapping[str, str] = {
    "alert": "/alerts/", "anomaly": "/analyze?tab=anomalies&id=", "recommendation": "/analyze?tab=recommendations&id=",
}  # fmt: skip
NAMES: Mapping[str, Callable[[Change, dict[str, Any]], str]] = {
    "policy": _policy, "price": _price, "alias": _price, "discount": _price, "silence": _silence, "access_key": _key,
    "session": _session, "usage": _usage, "period": _period, "invoice": _invoice,
}  # fmt: skip
