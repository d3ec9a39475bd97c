"""NUL, which PostgreSQL takes in no text: nothing is found by it, and a form that has one is refused."""

from __future__ import annotations

import pytest

from sidecar.api.world import World, make_call
from sidecar.web.visiting import PASSWORD, Visitor, person

NUL = "a\0b"
BECAUSE = {"reason": NUL}
FORMS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/settings/users", {"name": "grace", "role": "viewer", "password": PASSWORD, **BECAUSE}),
    ("/settings/users/ada", {"role": "admin", "active": "no", "version": "1", **BECAUSE}),
    ("/settings/keys", {"name": NUL, "scope": "read", "expires": ""}),
    ("/settings/keys/%00/revoke", BECAUSE),
    ("/pricing/save", {"kind": "price", "for_provider": "vllm", "for_model": NUL, "input": "1", "reason": "agreed"}),
    ("/pricing/cancel", {"version": "1", **BECAUSE}),
    ("/budgets/save", {"what": "preset", "preset": "low", "version": "0", **BECAUSE}),
    ("/sign-in", {"user": NUL, "password": NUL}),
)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_nul_is_nothing_and_changes_nothing(database_url: str) -> None:
    world = World(database_url)
    for name in ("ada", "eve"):
        person(world, name, "admin")
    world.record(make_call(1))
    visitor = Visitor(world).as_user("ada")
    before = world.audit.entries()[0]
    for path in ("/?model=%00", "/requests?model=%00", "/download/calls.csv?model=%00"):
        answer = visitor.get(path)
        assert answer.status_code == 200 and "gpt-4o" not in answer.text, path
    for path, said in FORMS:
        answer = visitor.post(path, data={"csrf_token": visitor.own_token(), **said})
        assert answer.status_code == 422, (path, answer.status_code)
    assert world.audit.entries()[0] == before
    world.close()
