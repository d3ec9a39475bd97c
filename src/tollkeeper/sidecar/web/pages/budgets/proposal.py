"""What a person wants the policy to become: a limit added, changed or taken out, a text, a preset, an old version.

Each is read against the policy in force, so that it can be read again when somebody else was quicker.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData

from tollkeeper.model.limit import Limit
from tollkeeper.policy import Policy
from tollkeeper.policy.document import Document, policy_document, read_json, read_toml
from tollkeeper.policy.forms import name_of
from tollkeeper.policy.mistakes import PolicyError
from tollkeeper.policy.presets import PRESETS, limits_of_preset
from tollkeeper.sidecar.web.pages.budgets.conditions import calls_words
from tollkeeper.sidecar.web.pages.budgets.emergency_form import emergency_table
from tollkeeper.sidecar.web.pages.budgets.limit_form import LimitForm, Mistaken, tables_of, typed
from tollkeeper.sidecar.web.pages.budgets.tabs import EMERGENCY, PATH, anchor

WHERE = "the policy"
SLUG = re.compile(r"[^\w.-]+")
NUMBERED = re.compile(r"^(\d+):")
LONGEST_NAME = 100
NO_MISTAKES: Mapping[str, str] = {}

FIELDS: Mapping[str, str] = {
    "amount": "amount", "limit": "amount", "measure": "measure", "window": "window", "per": "whose",
    "match": "only_value", "name": "name", "time_zone": "time_zone", "mode": "then", "at": "at",
    "on_exceeded": "wait_for", "on_unavailable": "on_unavailable", "exempt": "exempt", "unbounded": "unbounded",
}  # fmt: skip
"""Of the form, by the field of a policy's table."""


@dataclass(frozen=True)
class Proposal:
    """`title` says what is done, `told` that it was; `warnings` what one may not have thought of.

    `where` is where it is seen then; `limit` the name of the limit that is set, if it is one.
    """

    title: str
    document: Document
    policy: Policy
    warnings: tuple[str, ...] = ()
    told: str = "Saved"
    where: str = PATH
    limit: str = ""


def propose(form: FormData, now: Document, old: Document | None = None) -> Proposal:
    """What the form would make of the policy; `old` is the version that it names. Raises `Mistaken`."""
    if form.get("what") == "version":
        return _version(form, old)
    what = form.get("what")
    if not isinstance(what, str) or what not in KINDS:
        raise Mistaken({"": "It is not said what is to be changed. Begin again from the list of limits."})
    return KINDS[what](form, now)


def limit_named(document: Document, name: str) -> tuple[Limit, Document, Document | None] | None:
    """A limit of a policy, as it is written, and its ladder; `None` if there is none of this name."""
    for limit, table in zip(_read(document).limits, document.get("limit", ()), strict=False):
        if limit.name == name:
            ladders = document.get("ladder", ())
            return limit, table, next((each for each in ladders if each["limit"] == name), None)
    return None


def _limit(form: FormData, now: Document) -> Proposal:
    said = typed(form)
    table, ladder, mistakes = tables_of(said)
    name = table.setdefault("name", said.before or _free_name(table, mistakes))
    if name in {each["name"] for each in now.get("limit", ())} - {said.before}:
        mistakes["name"] = f"there is a limit of the name {name!r} already: change that one, or choose another name"
        raise Mistaken(mistakes)
    document = _with_limit(now, said, table, ladder)
    place = [each["name"] for each in document["limit"]].index(name)
    policy = _checked(document, place, mistakes)
    before = limit_named(now, said.before)
    words = f"Change the limit {said.before}" if said.before else f"A new limit: {name}"
    warnings = tuple(_warnings(before and before[0], policy.limits[place]))
    written = policy_document(policy)
    now_says = written["limit"][place]
    told = ", ".join(filter(None, (f"Saved: {name}", now_says["limit"], calls_words(now_says.get("match", {})))))
    return Proposal(words, written, policy, warnings, told, f"{PATH}#{anchor(name)}", name)


def _with_limit(now: Document, said: LimitForm, table: Document, ladder: Document | None) -> Document:
    limits = list(now.get("limit", ()))
    names = [each["name"] for each in limits]
    if said.before in names:
        limits[names.index(said.before)] = table
    else:
        limits.append(table)
    ladders = [each for each in now.get("ladder", ()) if each["limit"] not in (said.before, table["name"])]
    if ladder is not None:
        ladders.append({"limit": table["name"], **ladder})
    return {**now, "limit": limits, "ladder": ladders}


def _warnings(before: Limit | None, after: Limit) -> Iterator[str]:
    """What an edit begins anew."""
    if before is None:
        return
    if before.name != after.name:
        yield (
            "What was used is kept under the name: under another one the limit begins anew, and what speaks of the old "
            "name, such as silences, does not mean it any more."
        )
    if (_period(before), before.per) != (_period(after), after.per):
        yield (
            "With another time, time zone or whom it counts for, it is counted anew: within ten seconds by what the "
            "ledger has of the new period; from zero where that is shorter than an hour, or refilled evenly."
        )


def _period(limit: Limit) -> tuple[object, ...]:
    window = limit.window
    return () if window is None else (window.unit, window.zone, window.rolling)


def _remove(form: FormData, now: Document) -> Proposal:
    name = str(form.get("name", ""))
    if name not in {each["name"] for each in now.get("limit", ())}:
        raise Mistaken({"": f"There is no limit {name!r} any more."})
    document = {
        **now,
        "limit": [each for each in now["limit"] if each["name"] != name],
        "ladder": [each for each in now.get("ladder", ()) if each["limit"] != name],
    }
    policy = _checked(document)
    return Proposal(f"Remove the limit {name}", policy_document(policy), policy, told=f"Removed: the limit {name}")


def _text(form: FormData, _: Document) -> Proposal:
    text = str(form.get("text", ""))
    read = read_json if form.get("format") == "json" else read_toml
    try:
        policy = read(text, WHERE)
    except PolicyError as error:
        told = (line.removeprefix(WHERE).lstrip(":").strip() for line in str(error).splitlines())
        raise Mistaken({"text": "\n".join(NUMBERED.sub(r"line \1:", line) for line in told)}) from None
    return Proposal("The whole policy, as text", policy_document(policy), policy)


def _preset(form: FormData, now: Document) -> Proposal:
    name = str(form.get("preset", ""))
    if name not in PRESETS:
        raise Mistaken({"": f"There is no preset {name!r}."})
    known = {each["name"] for each in now.get("limit", ())}
    added = policy_document(Policy(limits=limits_of_preset(name)))["limit"]
    replaced = {each["name"]: each for each in added}
    kept = [replaced.pop(each["name"], each) for each in now.get("limit", ())]
    policy = _checked({**now, "limit": [*kept, *replaced.values()]})
    both = sorted(known & {each["name"] for each in added})
    told = (f"These limits are there already, and get the preset's amounts: {', '.join(both)}.",) if both else ()
    return Proposal(f"Begin with the preset {name}", policy_document(policy), policy, told)


def _version(form: FormData, old: Document | None) -> Proposal:
    if old is None:
        raise Mistaken({"": f"There is no version {form.get('number')!r} of the policy."})
    try:
        policy = _read(old)
    except PolicyError as error:
        raise Mistaken({"": f"That version cannot be put in force any more: {error}"}) from None
    return Proposal(f"Put version {form.get('number')} in force again", policy_document(policy), policy)


def _emergency(form: FormData, now: Document) -> Proposal:
    policy = _checked({**now, "emergency": emergency_table(form)})
    return Proposal("What is done in an emergency", policy_document(policy), policy, where=EMERGENCY)


KINDS: Mapping[str, Callable[[FormData, Document], Proposal]] = {
    "limit": _limit, "remove": _remove, "text": _text, "preset": _preset, "emergency": _emergency,
}  # fmt: skip


def _read(document: Document) -> Policy:
    return read_json(json.dumps(document), WHERE)


def _checked(document: Document, place: int | None = None, known: Mapping[str, str] = NO_MISTAKES) -> Policy:
    """The policy of a document. Raises `Mistaken`; of the limit at this place, by the form's fields.

    `known` is what is wrong already: what is found besides is added.
    """
    try:
        policy = _read(document)
    except PolicyError as error:
        found: dict[str, str] = {}
        for line in str(error).splitlines():
            field, words = _field_of(line.removeprefix(f"{WHERE}: "), place)
            found[field] = f"{found[field]}; {words}" if field in found else words
        raise Mistaken({**found, **known}) from None
    if known:
        raise Mistaken(known)
    return policy


def _field_of(line: str, place: int | None) -> tuple[str, str]:
    where, separator, said = line.partition(": ")
    value, _, expected = said.rpartition("; expected ")
    words = f"expected {expected}" if value in ("", "missing") else f"{value} cannot be: expected {expected}"
    if separator and place is not None and (found := re.fullmatch(rf"limit\[{place}\]\.(\w+).*", where)):
        return FIELDS.get(found[1], ""), words
    if separator and (found := re.fullmatch(r"emergency\.(\w+).*", where)):
        return found[1], words
    if separator and place is not None and (found := re.fullmatch(r"ladder\[\d+\]\.steps\[(\d+)\].*", where)):
        return f"step-{int(found[1]) + 1}", words
    if separator and (found := re.fullmatch(r"ladder\[\d+\]\.(\w+).*", where)):
        return ("hysteresis" if found[1] == "hysteresis" else "steps"), words
    return "", line


def _free_name(table: Document, mistakes: Mapping[str, str]) -> str:
    """What the limit says, with whom it is for, as its name. Raises `Mistaken`."""
    limit = _checked({"limit": [{**table, "name": "a-limit"}]}, 0, mistakes).limits[0]
    slugs = (SLUG.sub("-", each).strip("-.") for each in _values(table.get("match", {})))
    return "-".join([name_of(limit), *(slug for slug in slugs if slug)])[:LONGEST_NAME].rstrip("-.")


def _values(match: Mapping[str, Any]) -> list[str]:
    said = [*(match[name] for name in match if name != "tags"), *match.get("tags", {}).values()]
    return [each for one in said for each in (one if isinstance(one, list) else [one])]
