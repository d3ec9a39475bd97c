"""Which limits a scope comes under. A scope is what is known of some calls: tags, `provider`, `model`, `operation`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from tollkeeper.model.limit import Limit, Match

Scope = Mapping[str, str]


def may_bind(limit: Limit, scope: Scope) -> bool:
    """Whether some of the scope's calls may come under a limit: nothing that is known of them speaks against it."""
    speaks_against = any(value is not None and not _any(globs, value) for globs, value in _asked(limit.match, scope))
    return not speaks_against and not any(_is_of(each, scope) for each in limit.exempt)


def binds_all(limit: Limit, scope: Scope) -> bool:
    """Whether all of the scope's calls are meant by a limit, but for those that are exempt from it."""
    return _is_of(limit.match, scope) and not any(_is_of(each, scope) for each in limit.exempt)


class Usage(NamedTuple):
    """Whose usage a counter's key names: the limit, and the values of what it counts for, in the order of its `per`."""

    limit: str
    values: tuple[str, ...]


def usage_of(key: str) -> Usage | None:
    """What the key of a charge says; `None` for one that was not made by `policy.binding`."""
    named, separator, rest = key.partition(" [")
    try:
        values, _ = json.JSONDecoder().raw_decode(f"[{rest}")
    except ValueError:
        return None
    return Usage(named.rpartition(" ")[0], tuple(map(str, values))) if separator else None


def literal(value: str) -> str:
    """A glob that only this text meets."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in value)


def _is_of(match: Match, scope: Scope) -> bool:
    return all(value is not None and _any(globs, value) for globs, value in _asked(match, scope))


def _asked(match: Match, scope: Scope) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """What a match asks for, and what the scope says of it."""
    for name, globs in (("provider", match.provider), ("model", match.model), ("operation", match.operation)):
        if globs:
            yield globs, scope.get(name)
    for name, globs in match.tags.items():
        yield globs, scope.get(name)


def _any(globs: tuple[str, ...], value: str) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)
