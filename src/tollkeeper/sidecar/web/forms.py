"""Forms as browsers send them: how large one may be is seen before it is read, and all of them are in UTF-8."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

MOST_DIGITS = 9
LONGEST_LENGTH = 15
CHARSET = re.compile(r"charset[^;]*")
UTF_8 = ("charset=utf-8", 'charset="utf-8"')


@asynccontextmanager
async def read_form(
    request: Request, *, longest: int, most_fields: int, most_files: int = 0
) -> AsyncIterator[FormData]:
    """What was sent, of up to so many bytes. Raises `HTTPException` for what none of our forms can be."""
    _check_length(request.headers.get("content-length", ""), longest)
    _check_charset(request.headers.get("content-type", ""))
    async with request.form(max_fields=most_fields, max_files=most_files, max_part_size=longest) as form:
        yield form


def number_in(text: object) -> int | None:
    """The number that a field says which nobody types into, such as a version; `None` for anything else."""
    is_one = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    return int(str(text)) if is_one else None


def _check_length(said: str, longest: int) -> None:
    if not (said.isascii() and said.isdigit()):
        raise HTTPException(411, "the form's length is missing")
    if len(said) > LONGEST_LENGTH or int(said) > longest:
        raise HTTPException(413, "the form is too long")


def _check_charset(said: str) -> None:
    """Browsers say none. Some that Python knows fail in ways of their own, or make text that cannot be shown."""
    if any(each not in UTF_8 for each in CHARSET.findall(said.lower())):
        raise HTTPException(415, "forms are read in UTF-8")
