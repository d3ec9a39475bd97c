"""Which calls a limit is for, or not for, as a policy says it: `{ provider = "openai", model = ["gpt-4*", "o3"] }`."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Final, get_args

from tollkeeper.model.call import Operation
from tollkeeper.model.limit import Match
from tollkeeper.policy.mistakes import Table, nearest, text

FIELDS: Final = ("provider", "model", "operation", "tags")
OPERATIONS: Final[tuple[str, ...]] = get_args(Operation)

_SUCH_AS = 'a table such as { provider = "openai", model = "gpt-4*" }'
_WORD = 'words such as "ollama/*", a provider and a model, or tables of provider, model, operation and tags'


def match_of(table: Table) -> Match:
    """The calls that a table means; globs are a text or a list of texts."""
    table.know(FIELDS)
    tags = table.table("tags", 'a table such as { priority = "low" }')
    return Match(
        provider=table.read("provider", _globs, ()),
        model=table.read("model", _globs, ()),
        operation=table.read("operation", _operations, ()),
        tags={name: tags.read(name, _tag_globs, ()) for name in tags.content},
    )


def exempt_of(table: Table, key: str) -> tuple[Match, ...]:
    """A list of words and tables; one alone needs no list."""
    value = table.content.get(key)
    found = []
    for number, each in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        place = (*table.place, key, number) if isinstance(value, list) else (*table.place, key)
        if isinstance(each, dict) and each:
            found.append(match_of(Table(each, place, table.mistakes)))
        elif isinstance(each, str) and (match := _match_saying(each)) is not None:
            found.append(match)
        else:
            table.mistakes.note(place, each, _WORD)
    return tuple(found)


def matched(table: Table, key: str) -> Match:
    """The calls that a limit is for: every one, if it does not say."""
    return match_of(table.table(key, _SUCH_AS))


def match_document(match: Match) -> dict[str, Any]:
    """A match as it is written."""
    globs = {"provider": match.provider, "model": match.model, "operation": match.operation}
    written: dict[str, Any] = {name: _shortest(each) for name, each in globs.items() if each}
    return written | ({"tags": {name: _shortest(each) for name, each in match.tags.items()}} if match.tags else {})


def exempt_document(match: Match) -> str | dict[str, Any]:
    """An exempt match as it is written: a word, where one says the same."""
    if len(match.provider) == 1 and len(match.model) <= 1:
        word = f"{match.provider[0]}/{match.model[0] if match.model else '*'}"
        if _match_saying(word) == match:
            return word
    return match_document(match)


def calls_text(match: Match) -> str:
    """Which calls, to read: `openai/gpt-4* chat priority=low`; several globs are `gpt-4*|o3`."""
    said = [f"{_either(match.provider)}/{_either(match.model)}"] if match.provider or match.model else []
    said += [_either(match.operation)] if match.operation else []
    said += [f"{name}={_either(globs)}" for name, globs in match.tags.items()]
    return " ".join(said) or "every call"


def _match_saying(word: str) -> Match | None:
    provider, separator, model = word.partition("/")
    if not separator or not provider.strip() or not model.strip() or not word.isprintable():
        return None
    return Match(
        provider=() if provider == "*" else (provider,),
        model=() if model == "*" else (model,),
    )


def _shortest(globs: tuple[str, ...]) -> str | list[str]:
    return globs[0] if len(globs) == 1 else list(globs)


def _either(globs: tuple[str, ...]) -> str:
    return "|".join(globs) or "*"


def _globs(value: Any) -> tuple[str, ...]:
    try:
        globs = tuple(text(each) for each in (value if isinstance(value, list) else [value]))
    except ValueError:
        globs = ()
    if not globs:
        raise ValueError('a glob such as "gpt-4*", or a list of them')
    return globs


def _operations(value: Any) -> tuple[str, ...]:
    globs = _globs(value)
    for glob in globs:
        if not any(fnmatchcase(operation, glob) for operation in OPERATIONS):
            raise ValueError(f"an operation; {nearest(glob, OPERATIONS)}")
    return globs


def _tag_globs(value: Any) -> tuple[str, ...]:
    """Of a tag, the empty text is one too: it means the calls without the tag."""
    if isinstance(value, list) and "" in value:
        rest = [each for each in value if each != ""]
        return ("", *(_globs(rest) if rest else ()))
    return ("",) if value == "" else _globs(value)
