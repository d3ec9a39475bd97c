"""The headers of what has versions: `ETag`, `If-None-Match` and `If-Match`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from tollkeeper.sidecar.api.problems import wrong

LARGEST = 2**31 - 1

IfMatch = Annotated[
    str | None,
    Header(max_length=40, description='The version that is to be replaced, such as `"12"`: 409 if it is another.'),
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=200, description="The `ETag` of what one has: 304 if it is the same still.")
]


def version_headers(version: int) -> dict[str, str]:
    """So that the next question can be whether it is still this version."""
    return {"ETag": f'"{version}"', "Cache-Control": "no-cache"}


def is_known(version: int, if_none_match: str | None) -> bool:
    """Whether the asker has this version."""
    if if_none_match is None:
        return False
    return f'"{version}"' in (one.strip().removeprefix("W/") for one in if_none_match.split(","))


def expected_version(if_match: str | None) -> int | None:
    """The version that is to be replaced; `None`: whatever it is. Raises `Refused`."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().strip('"')
    if not (text.isascii() and text.isdigit() and int(text) <= LARGEST):
        raise wrong("If-Match", if_match, 'the number of a version, such as "12"')
    return int(text)
