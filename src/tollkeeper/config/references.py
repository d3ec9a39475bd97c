"""What a reference says: secrets stand in the environment or in files, and are looked up whenever they are needed."""

from __future__ import annotations

import os
from pathlib import Path

LONGEST_FILE = 65_536
VARIABLE, FILE = "environment variable ", "file "
"""What the message of each `UnresolvedReference` begins with."""


class UnresolvedReference(ValueError):
    """There is nothing where a reference points to. The message names the variable or file, and shows no content."""


def is_unresolved(message: str) -> bool:
    """Whether it is the message of an `UnresolvedReference`, as it was kept with what could not be delivered."""
    return message.startswith((VARIABLE, FILE))


def resolve(value: str) -> str:
    """What `env:NAME` or `file:/path` says, without white space around it; anything else is what it says.

    Raises `UnresolvedReference`.
    """
    scheme, _, name = value.partition(":")
    if scheme == "env":
        return _found(os.environ.get(name, ""), f"{VARIABLE}{name}")
    if scheme == "file":
        try:
            with Path(name).open(encoding="utf-8") as file:
                content = file.read(LONGEST_FILE + 1)
        except OSError as error:
            raise UnresolvedReference(f"{FILE}{name} cannot be read: {error.strerror or 'no such file'}") from None
        except ValueError:
            raise UnresolvedReference(f"{FILE}{name} is not UTF-8 text") from None
        if len(content) > LONGEST_FILE:
            raise UnresolvedReference(f"{FILE}{name} is too long for a secret")
        return _found(content, f"{FILE}{name}")
    return value


def _found(content: str, where: str) -> str:
    if not content.strip():
        raise UnresolvedReference(f"{where} is not set" if where.startswith(VARIABLE) else f"{where} is empty")
    return content.strip()
