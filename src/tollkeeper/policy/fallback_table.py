"""Where calls go whose provider fails, and which models are as good as each other, as a policy says it.

[[endpoint]]
name = "groq"                                # its models are written "groq:llama-3.3-70b-versatile"
base_url = "https://api.groq.com/openai/v1"
api_key_env = "GROQ_API_KEY"                 # the environment variable that has the key
provider = "groq"                            # whose prices and limits hold; found by the host if it is left out
api = "openai"                               # whose SDK it can answer: openai or anthropic

[[fallback]]
match = { provider = "openai", model = "gpt-4o*" }
to = ["gpt-4o-mini", "groq:llama-3.3-70b-versatile"]
on = ["5xx", "429", "timeout", "connection", "open_circuit"]

[quality]                                    # classes for `tollkeeper.cheapest(quality="high")`
high = ["gpt-4o", "claude-opus-4-5"]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args

from tollkeeper.model.ladder import FAILURES, Api, Endpoint, Fallback, Ladder
from tollkeeper.policy.match_table import match_document, matched
from tollkeeper.policy.mistakes import Mistakes, Table, choice, text
from tollkeeper.policy.toml_lines import Place

ENDPOINT_FIELDS: Final = ("name", "base_url", "api_key_env", "provider", "api")
FALLBACK_FIELDS: Final = ("match", "to", "on")

_API: Final[Callable[[Any], Api]] = choice(*get_args(Api))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HTTP = re.compile(r"https?://(?:[^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[^\s?#]*)?")
_URL = "a URL such as https://api.groq.com/openai/v1, without a user or a query"


def endpoint_of(table: Table) -> Endpoint | None:
    """The endpoint that a table says; nothing if it has no name or place."""
    table.know(ENDPOINT_FIELDS)
    name = table.read("name", _said(_NAME, "a name of letters, digits, _ . and -"))
    base_url = table.read("base_url", _base_url)
    for key, expected in (("name", "a name, by which its models are written"), ("base_url", _URL)):
        if key not in table:
            table.note(key, expected)
    variable = table.read("api_key_env", _said(_VARIABLE, "the name of an environment variable, not the key itself"))
    provider = table.read("provider", text)
    api: Api = table.read("api", _API, "openai")
    return None if name is None or base_url is None else Endpoint(name, base_url, variable, provider, api)


def fallback_of(table: Table) -> Fallback:
    """The fallback that a table says."""
    table.know(FALLBACK_FIELDS)
    if "to" not in table:
        table.note("to", 'the models to ask instead, in this order, such as ["gpt-4o-mini"]')
    return Fallback(
        to=table.read("to", _names, ()), match=matched(table, "match"), on=table.read("on", _failures, FAILURES)
    )


def quality_of(table: Table) -> dict[str, tuple[str, ...]]:
    """The classes of models that `[quality]` names."""
    return {name: table.read(name, _names, ()) for name in table.content}


def check_models(models: Mapping[Place, str], endpoints: Sequence[Endpoint], mistakes: Mistakes) -> None:
    """Note what is nearly the name of an endpoint. Many models have a colon in their own names."""
    names = [endpoint.name for endpoint in endpoints]
    for place, model in models.items():
        name, colon, rest = model.partition(":")
        near = get_close_matches(name, names, n=1, cutoff=0.75)
        if colon and name not in names and near:
            mistakes.note(place, model, f"the name of an endpoint before the colon; did you mean '{near[0]}:{rest}'?")


def models_named(ladders: Sequence[tuple[Place, Ladder]]) -> dict[Place, str]:
    """The models that ladders ask, with their places. Steps were put in order: the place is the ladder's."""
    return {
        (*place, "steps", glob): model
        for place, ladder in ladders
        for step in ladder.steps
        for glob, model in step.models.items()
    }


def endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as it is written. The key is not in it."""
    written = {"name": endpoint.name, "base_url": endpoint.base_url}
    if endpoint.api_key_env is not None:
        written["api_key_env"] = endpoint.api_key_env
    if endpoint.provider is not None:
        written["provider"] = endpoint.provider
    return written | ({"api": endpoint.api} if endpoint.api != "openai" else {})


def fallback_document(fallback: Fallback) -> dict[str, Any]:
    """A fallback as it is written."""
    match = match_document(fallback.match)
    written: dict[str, Any] = {"match": match} if match else {}
    return written | {"to": list(fallback.to)} | ({"on": list(fallback.on)} if fallback.on != FAILURES else {})


def _base_url(value: Any) -> str:
    if isinstance(value, str) and _HTTP.fullmatch(value):
        return value.rstrip("/")
    raise ValueError(_URL)


def _said(pattern: re.Pattern[str], expected: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise ValueError(expected)

    return read


def _names(value: Any) -> tuple[str, ...]:
    each = value if isinstance(value, list) else [value]
    if not each:
        raise ValueError("at least one model")
    return tuple(dict.fromkeys(text(one) for one in each))


def _failures(value: Any) -> tuple[Any, ...]:
    said = [choice(*FAILURES)(one) for one in (value if isinstance(value, list) else [value])]
    return tuple(one for one in FAILURES if one in said)
