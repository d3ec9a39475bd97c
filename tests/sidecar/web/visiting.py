"""A browser without a screen, at the pages of a sidecar that asks who one is."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from starlette.requests import HTTPConnection

from sidecar.api.world import World
from tollkeeper.sidecar.api.services import Services
from tollkeeper.sidecar.web.app import Web
from tollkeeper.sidecar.web.csrf import VISITOR, token_for

ELSEWHERE = {"client": ("203.0.113.9", 40_000), "base_url": "http://tollkeeper.example"}
PASSWORD = "correct horse battery"
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def site_of(world: World, services: Services | None = None, public_url: str | None = None) -> FastAPI:
    """The page and the API, as the sidecar has them."""
    app = FastAPI(openapi_url=None)
    app.mount("/api/v1", world.api)
    app.mount("/", Web(services or world.services, world.api, public_url).app)
    return app


def token_on(page: str) -> str:
    """The token of its first form."""
    found = TOKEN.search(page)
    assert found is not None, page[:500]
    return found[1]


def token_of(session: str) -> str:
    """One as the pages have that whoever has this session sees."""
    return token_for(HTTPConnection({"type": "http", "headers": [], VISITOR: session}))


class Visitor(TestClient):
    """Keeps its cookies, and sends forms as they were shown to it."""

    def __init__(self, world: World, public_url: str | None = None, **options: Any) -> None:
        site = options.pop("site", None) or site_of(world, public_url=public_url)
        super().__init__(site, **{**ELSEWHERE, "follow_redirects": False, **options})

    def token(self, path: str = "/sign-in") -> str:
        """Of the form on this page."""
        return token_on(self.get(path).text)

    def own_token(self) -> str:
        """One as the pages have that whoever is signed in sees."""
        (session,) = (each.value for each in self.cookies.jar if each.name.endswith("tollkeeper_session"))
        return token_of(session)

    @property
    def is_in(self) -> bool:
        """Whether whoever is in has no need to sign in."""
        return self.get("/sign-in").status_code == 303

    def sign_in(self, **fields: str) -> Response:
        """By what is given: `user` and `password`, or `key`."""
        headers = {"Origin": str(self.base_url)}
        return self.post("/sign-in", data={"csrf_token": self.token(), **fields}, headers=headers)

    def as_user(self, name: str, password: str = PASSWORD) -> Visitor:
        """Signed in."""
        assert self.sign_in(user=name, password=password).status_code == 303
        return self


def person(world: World, name: str, role: str) -> None:
    """Somebody with an account."""
    world.users.create(name, role, PASSWORD, author="tests")
