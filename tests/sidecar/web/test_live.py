"""What browsers are told while a page is open, and that nobody is told anything any more who has signed out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from starlette.requests import Request

from sidecar.api.world import World, make_call
from sidecar.web.visiting import PASSWORD, person
from tollkeeper.sidecar.api.auth import SignedIn
from tollkeeper.sidecar.web.cookies import SECURE, SESSION
from tollkeeper.sidecar.web.identity import identify
from tollkeeper.sidecar.web.inside import Inside
from tollkeeper.sidecar.web.live import Marks, events
from tollkeeper.storage.ledger import LedgerUnavailable
from tollkeeper.storage.sessions import Holder


def told(world: World, *meanwhile: Callable[[], object]) -> list[str]:
    """All that is sent to somebody who is signed in, while these things happen, one between two looks."""
    person(world, "ada", "viewer")
    user = world.users.authenticate("ada", PASSWORD)
    assert user is not None
    token, _ = world.sessions.start(Holder("ada", "ada", user.password_set_at))
    happening, seconds = iter(meanwhile), count(0, 10)

    async def asker() -> Inside | None:
        who = await identify(request, world.services)
        return None if who is None else Inside(world.api, who.signed_in)

    async def pause(seconds: float) -> None:
        assert seconds > 0
        next(happening)()

    async def nothing() -> dict[str, str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def hear() -> list[str]:
        marks = Marks(world.services.now, lambda: next(seconds))
        return [line async for line in events(request, asker, marks, pause)]

    headers = [(b"cookie", f"{SESSION}={token}".encode())]
    request = Request({"type": "http", "headers": headers, "client": None, SECURE: False}, nothing)
    return asyncio.run(hear())


def test_what_has_changed_is_told_until_one_is_signed_out(world: World) -> None:
    said = told(
        world,
        lambda: world.record(make_call(1)),
        lambda: None,
        lambda: world.users.change("ada", disabled=True, author="tests"),
    )
    assert said == ["retry: 5000\n\n", "event: calls\ndata: changed\n\n"]


def test_a_database_that_is_away_for_a_moment_is_nothing_new(world: World) -> None:
    find, asked = world.sessions.find, list[str]()

    def away(token: str) -> None:
        asked.append(token)
        raise LedgerUnavailable("gone")

    said = told(
        world,
        lambda: setattr(world.sessions, "find", away),
        lambda: setattr(world.sessions, "find", find),
        lambda: world.users.change("ada", disabled=True, author="tests"),
    )
    assert said == ["retry: 5000\n\n"] and len(asked) == 1


def test_of_many_readers_one_looks(world: World) -> None:
    """As long as a second has not passed."""
    seconds = iter([0.0, 0.0, 0.5, 0.9, 1.5, 1.5])
    marks, api = Marks(world.services.now, lambda: next(seconds)), Inside(world.api, SignedIn("ada", ("read",)))

    async def look() -> list[str]:
        found = [await marks.of(api), await marks.of(api)]
        world.record(make_call(1))
        return [each["calls"] for each in (*found, await marks.of(api), await marks.of(api))]

    first, second, third, last = asyncio.run(look())
    assert (first, second, third) == ("", "", "") and last == make_call(1).id
