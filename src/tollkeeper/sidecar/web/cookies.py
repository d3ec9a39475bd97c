"""The cookies of the page: their names, and what browsers are told of them."""

from __future__ import annotations

from starlette.requests import HTTPConnection

SESSION = "tollkeeper_session"
"""What somebody is signed in by."""

VISIT = "tollkeeper_visit"
"""A random text for whoever is not, to tell their forms from somebody else's."""

SECURE = "tollkeeper.secure"
"""Where the ASGI scope has whether the browser speaks HTTPS, once `csrf.Visits` has found out."""

HOST_PREFIX = "__Host-"
"""With it, a browser lets no other host and no plain HTTP set the cookie."""

LONGEST = 200


def is_secure(request: HTTPConnection, public_url: str | None) -> bool:
    """Whether the browser speaks HTTPS: with us, or with a proxy before us, which `public_url` says there is."""
    if request.scope["scheme"] == "https":
        return True
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return forwarded == "https" and (public_url or "").startswith("https://")


def read(request: HTTPConnection, name: str, secure: bool) -> str | None:
    """The cookie's content, if it has one that could be ours."""
    text = request.cookies.get(_named(name, secure), "")
    return text if text and len(text) <= LONGEST and text.isascii() else None


def setting(name: str, content: str, secure: bool, seconds: int | None = None) -> str:
    """A `Set-Cookie` header; `seconds` to keep it for, else until the browser is closed.

    Lax: a link in a message of an alert leads to the page, and not to its sign-in. Changes are POST, and have tokens.
    """
    kept = "" if seconds is None else f"; Max-Age={seconds}"
    return f"{_named(name, secure)}={content}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}{kept}"


def clearing(name: str, secure: bool) -> str:
    """A `Set-Cookie` header that takes the cookie away."""
    return setting(name, "", secure, 0)


def _named(name: str, secure: bool) -> str:
    return f"{HOST_PREFIX}{name}" if secure else name
