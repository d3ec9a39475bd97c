"""Passwords: what is kept of them is argon2id's, which takes long to try and needs much memory."""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
HASHED_AT_ONCE = 2
"""Each takes 64 MiB and a processor; the others wait."""


class Passwords:
    """Hashes, and compares. Each takes tenths of a second and 64 MiB, unless the hasher is another one."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(HASHED_AT_ONCE)
        self._nobodys = _hash_of_nothing(self._hasher)

    def hash(self, password: str) -> str:
        """What may be kept of it."""
        with self._turns:
            return self._hasher.hash(_same_everywhere(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Whether it is this one. Of nobody, `None`, it takes the same work to say no."""
        given = _same_everywhere(password[: LONGEST_PASSWORD + 1])
        try:
            with self._turns:
                return self._hasher.verify(self._nobodys if kept is None else kept, given) and kept is not None
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, kept: str) -> bool:
        """Whether it was made with less work than is asked for by now."""
        return self._hasher.check_needs_rehash(kept)


def mistake_in(password: str, name: str) -> str | None:
    """What is wrong with a new one, without repeating it."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or not password.isprintable():
        return f"expected {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters that can be printed"
    if password.casefold() == name.casefold() or len(set(password)) < 4:
        return "expected one that is harder to guess"
    return None


def _same_everywhere(password: str) -> bytes:
    """Keyboards write the same letter in several ways."""
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Looks like one of this hasher, and is of no password."""
    work = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, result = (
        base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    return f"$argon2id$v=19${work}${salt}${result}"
