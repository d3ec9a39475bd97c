"""Which alerts a silence or a channel means: globs, as the fields of a form say them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from glob import escape
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from tollkeeper.alerting.muting import SELECTORS
from tollkeeper.client.alerting import AlertState
from tollkeeper.model.finding import FINDING_KINDS, SEVERITIES
from tollkeeper.sidecar.web.view import View

FIELD: Final = "match-{}"
"""What a field is called, so that no filter bar takes it for its own."""
KIND_WORDS: Final[Mapping[str, str]] = {
    "limit": "A budget or limit fills", "forecast": "A budget or limit will not last", "emergency": "Emergency mode",
    "anomaly": "Something unusual", "error_budget": "A provider fails too often",
    "reconciliation": "The bill differs from the ledger", "unpriced_model": "A model has no price",
    "stale_prices": "Prices are out of date", "counters_disagree": "Counters disagree with the ledger",
    "rule": "A rule of Alertmanager",
}  # fmt: skip
CHOICES: Final[Mapping[str, Mapping[str, str]]] = {
    "kind": {kind: KIND_WORDS[kind] for kind in FINDING_KINDS},
    "severity": {severity: severity.capitalize() for severity in SEVERITIES},
}
"""What can be ticked, and how people call it; all else is typed."""

_GLOBS = re.compile(r"(?:\[[^\]]*\]|[^,])+")
"""Globs with commas between them; a comma in brackets is a part of a name."""

Globs = Mapping[str, list[str]]


def read_globs(said: Mapping[str, str]) -> dict[str, list[str]]:
    """What texts of fields mean, by selector."""
    found = {name: [glob.strip() for glob in _GLOBS.findall(text) if glob.strip()] for name, text in said.items()}
    return {name: globs for name, globs in found.items() if globs}


def write_globs(globs: Globs) -> dict[str, str]:
    """As fields say it: of what can be ticked, what the globs mean."""
    return {name: ", ".join(_ticked(CHOICES[name], each) if name in CHOICES else each) for name, each in globs.items()}


def _ticked(choices: Iterable[str], globs: Iterable[str]) -> list[str]:
    return [choice for choice in choices if any(fnmatchcase(choice, glob) for glob in globs)]


def exactly(name: str) -> str:
    """The glob that means this name; of what cannot be written, any character."""
    shown = "".join(each if each.isprintable() else "?" for each in escape(name))
    return shown.replace(",", "[,]")


def silence_link(alert: AlertState) -> str:
    """The form of a silence that means this alert, and what comes after it: its kind, subject, and whose it is."""
    named = {"kind": alert.kind, "limit": alert.subject, **alert.scope}
    said = {FIELD.format(name): exactly(value) for name, value in named.items() if value and name in SELECTORS}
    return f"/alerts/new-silence?{urlencode(said)}"


def of_query(query: QueryParams, selectors: Iterable[str]) -> dict[str, str]:
    """What a link has filled in."""
    said = {name: ", ".join(query.getlist(FIELD.format(name))) for name in selectors}
    return {**said, **write_globs(read_globs({name: said[name] for name in CHOICES if name in said}))}


def of_form(view: View, selectors: Iterable[str]) -> dict[str, str]:
    """What was sent."""
    sent = {name: view.form.getlist(FIELD.format(name)) for name in selectors}
    return {name: ", ".join(each.strip() for each in said if isinstance(each, str)) for name, said in sent.items()}
