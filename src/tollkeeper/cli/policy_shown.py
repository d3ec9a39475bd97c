"""A policy as `tollkeeper policy check` shows it: its limits, what is done as they fill, and where calls go besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from tollkeeper.cli.tables import table
from tollkeeper.model import Limit
from tollkeeper.model.anomaly_rule import AnomalyRule, Detection
from tollkeeper.model.ladder import Emergency, Endpoint, Fallback, Step
from tollkeeper.policy import Policy
from tollkeeper.policy.anomaly_table import length_text, threshold_text
from tollkeeper.policy.forms import amount_text, write_form
from tollkeeper.policy.limit_table import exceeded_text
from tollkeeper.policy.match_table import calls_text

LIMITS = ("Name", "Limit", "Calls", "When exceeded", "Told at %", "Days of")
LADDERS = ("As it fills", "From %", "Done", "How")
EMERGENCY = ("In an emergency", "How")
FALLBACKS = ("If these fail", "Asked instead", "When")
ENDPOINTS = ("Endpoint", "At", "Provider", "Speaks", "Key in")
CLASSES = ("Class", "Models")
ANOMALIES = ("Unusual", "When", "Per", "Calls", "Severity", "Cooldown", "Then")
DETECTION = ("Built-in detectors", "Metrics", "Of", "How")


def tables_of(policy: Policy) -> Iterator[Table]:
    """Each part of it that there is."""
    ladders = [_step_row(ladder.limit, step) for ladder in policy.ladders for step in ladder.steps]
    emergency = [] if policy.emergency is None else list(_emergency_rows(policy.emergency))
    parts: tuple[tuple[Sequence[str], Sequence[Sequence[str | Text]]], ...] = (
        (LIMITS, [_limit_row(limit) for limit in policy.limits]),
        (LADDERS, ladders),
        (EMERGENCY, emergency),
        (FALLBACKS, [_fallback_row(fallback) for fallback in policy.fallbacks]),
        (ENDPOINTS, [_endpoint_row(endpoint) for endpoint in policy.endpoints]),
        (CLASSES, [(name, _whole(", ".join(models))) for name, models in policy.quality.items()]),
        (ANOMALIES, [_anomaly_row(rule) for rule in policy.anomalies]),
        (DETECTION, [_detection_row(each) for each in policy.detection]),
    )
    return (table(columns, rows) for columns, rows in parts if rows)


def summary_of(policy: Policy) -> str:
    """How much of what it has."""
    said = _number(len(policy.limits), "limit") if policy.limits else "no limits: every call is sent"
    more = [
        _number(len(policy.ladders), "ladder") if policy.ladders else "",
        "an emergency" if policy.emergency is not None else "",
        _number(len(policy.fallbacks), "fallback") if policy.fallbacks else "",
        _number(len(policy.anomalies), "rule") + " of anomalies" if policy.anomalies else "",
    ]
    return f"{policy.name}: " + ", ".join([said, *filter(None, more)])


def _number(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _limit_row(limit: Limit) -> Sequence[str | Text]:
    zone = "" if limit.window is None or limit.window.rolling else limit.window.zone
    exceeded = exceeded_text(limit) if limit.mode == "hard" else Text("warn", "yellow")
    told = " ".join(map(str, limit.at))
    calls = " but ".join([calls_text(limit.match), *map(calls_text, limit.exempt)])
    return (_whole(limit.name), write_form(limit), _whole(calls), exceeded, told, zone)


def _step_row(limit: str, step: Step) -> Sequence[str | Text]:
    return (_whole(limit), f"{step.at}", step.do, _whole(_how(step)))


def _how(step: Step) -> str:
    if step.throttle is not None:
        return write_form(step.throttle)
    if step.tokens is not None:
        return _tokens(step.tokens)
    return _models(step.models) or ", ".join(step.priorities)


def _emergency_rows(emergency: Emergency) -> Iterator[Sequence[str | Text]]:
    if emergency.models:
        yield "cheaper", _whole(_models(emergency.models))
    if emergency.tokens is not None:
        yield "cap_output", _tokens(emergency.tokens)
    if emergency.shed:
        yield "shed", ", ".join(emergency.shed)
    if emergency.throttle is not None:
        yield "throttle", write_form(emergency.throttle)
    if emergency == Emergency():
        yield "nothing", "calls are sent as they are"


def _fallback_row(fallback: Fallback) -> Sequence[str | Text]:
    return (_whole(calls_text(fallback.match)), _whole(", ".join(fallback.to)), ", ".join(fallback.on))


def _endpoint_row(endpoint: Endpoint) -> Sequence[str | Text]:
    provider = endpoint.provider or Text("by its host", "yellow")
    return (endpoint.name, _whole(endpoint.base_url), provider, endpoint.api, endpoint.api_key_env or "")


def _anomaly_row(rule: AnomalyRule) -> Sequence[str | Text]:
    worse = [f"{name} from {value:f}" for name, value in rule.severities.items()]
    said = rule.respond
    then = (
        "emergency" if said is not None and said.emergency else f"steps of {said.ladder} to {said.at} %" if said else ""
    )
    return (
        _whole(rule.name), threshold_text(rule), " and ".join(rule.per), _whole(calls_text(rule.match)),
        ", ".join(["warning", *worse]), length_text(rule.cooldown_seconds), _whole(then),
    )  # fmt: skip


def _detection_row(said: Detection) -> Sequence[str | Text]:
    how = [] if said.enabled else ["off"]
    how += [] if said.deviations is None else [f"{said.deviations:f} standard deviations"]
    how += [] if said.floor_nano_usd is None else [f"from {amount_text('usd', said.floor_nano_usd)} on"]
    named = (", ".join(each) or "all" for each in (said.detectors, said.metrics, said.scopes))
    return (*named, ", ".join(how) or "as usual")


def _models(models: Mapping[str, str]) -> str:
    return ", ".join(f"{asked} → {instead}" for asked, instead in models.items())


def _tokens(most: int) -> str:
    return f"{most:,} output tokens at the most"


def _whole(text: str) -> Text:
    """A text without blanks that does not fit is broken, not cut off."""
    return Text(text, overflow="fold")
