"""A form that another site makes a browser send is refused, whatever it guesses."""

from __future__ import annotations

import pytest

from sidecar.api.world import World
from sidecar.web.visiting import PASSWORD, Visitor, person

OUT = "/sign-out"


@pytest.fixture
def ada(world: World) -> Visitor:
    person(world, "ada", "admin")
    return Visitor(world).as_user("ada")


def refused(visitor: Visitor, **options: object) -> str:
    """Why; and nothing was done."""
    answer = visitor.post(OUT, **options)  # type: ignore[arg-type]
    assert answer.status_code == 403
    assert visitor.is_in
    return answer.text


def test_without_a_token_or_with_a_wrong_one(ada: Visitor) -> None:
    assert "has no csrf_token" in refused(ada)
    assert "has no csrf_token" in refused(ada, data={"csrf_token": ""})
    token = ada.own_token()
    nonce, _, signature = token.partition(".")
    for wrong in ("x", ".", token[:-1], f"{nonce}.", f".{signature}", f"{nonce}x.{signature}", "é.ü", token + "x"):
        assert "not of this browser" in refused(ada, data={"csrf_token": wrong}), wrong
        assert "not of this browser" in refused(ada, headers={"X-CSRF-Token": wrong.encode()}), wrong


def test_with_one_of_somebody_else(world: World, ada: Visitor) -> None:
    person(world, "eve", "viewer")
    eve = Visitor(world)
    before = eve.token()
    for theirs in (before, eve.as_user("eve").own_token()):
        assert "not of this browser" in refused(ada, data={"csrf_token": theirs})


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "nonsense"},
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://tollkeeper.example.evil.example"},
        {"Origin": "http://tollkeeper.example:81"}, {"Origin": ""}, {"Origin": "http://sub.tollkeeper.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://tollkeeper.example"},
    ],
)  # fmt: skip
def test_with_the_right_one_from_elsewhere(ada: Visitor, headers: dict[str, str]) -> None:
    assert "page of another" in refused(ada, data={"csrf_token": ada.own_token()}, headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://tollkeeper.example"},
        {"Origin": "HTTP://Tollkeeper.Example"}, {"Sec-Fetch-Site": "same-origin", "Origin": "https://proxy.example"},
    ],
)  # fmt: skip
def test_from_here(ada: Visitor, headers: dict[str, str]) -> None:
    answer = ada.post(OUT, data={"csrf_token": ada.own_token()}, headers=headers)
    assert answer.status_code == 303
    assert not ada.is_in


def test_a_header_will_do_and_the_public_host_too(world: World) -> None:
    person(world, "ada", "viewer")
    visitor = Visitor(world, "https://llm.example").as_user("ada")
    headers = {"X-CSRF-Token": visitor.own_token(), "Origin": "https://llm.example"}
    assert visitor.post(OUT, headers=headers).status_code == 303


def test_nobody_is_signed_in_by_another_site(world: World) -> None:
    person(world, "eve", "viewer")
    visitor = Visitor(world)
    hers = {"user": "eve", "password": PASSWORD}
    assert visitor.post("/sign-in", data=hers).status_code == 403
    assert visitor.post("/sign-in", data={**hers, "csrf_token": Visitor(world).token()}).status_code == 403
    assert not visitor.is_in and world.sessions.sessions() == []


def test_a_token_is_another_one_in_each_page(world: World) -> None:
    visitor = Visitor(world)
    assert visitor.token() != visitor.token()
    cookie = visitor.cookies["tollkeeper_visit"]
    assert cookie not in visitor.get("/sign-in").text


@pytest.mark.parametrize("host", ["[", "a:b", "a:99999", "a/b", "a@b", "a b", "tollkeeper.example:0", "a\\\\b"])
def test_a_host_that_is_none_is_turned_away(world: World, host: str) -> None:
    assert Visitor(world).get("/sign-in", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "host", ["", "localhost", "[::1]:4318", "10.0.0.1:80", "ümläut.example".encode("idna").decode()]
)
def test_any_other_is_welcome(world: World, host: str) -> None:
    assert Visitor(world).get("/sign-in", headers={"Host": host}).status_code == 200
