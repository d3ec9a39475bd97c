"""Every route asks for the right key, and says how one is to be given."""

from __future__ import annotations

import dataclasses
import logging
from datetime import timedelta
from typing import Any

import pytest

from sidecar.api.world import World

SCOPES = ("read", "write", "edit", "admin")
METHODS = ("get", "post", "put", "patch", "delete")

OPEN = {("get", "/health")}
FOR_READERS = {
    ("get", path)
    for path in (
        "/status", "/stats", "/usage", "/calls", "/calls/{id}", "/orphans", "/overview",
        "/prices", "/prices/history", "/prices/unpriced", "/prices/overlay", "/prices/effective",
        "/prices/{row}", "/prices/models", "/limits", "/limits/usage", "/limits/in-flight",
        "/limits/agreement", "/policy", "/policy/history", "/quotas",
        "/quotas/{config}", "/emergency", "/alerts", "/alerts/{id}", "/silences", "/channels", "/channels/{name}",
        "/notifications", "/recommendations", "/recommendations/{id}", "/anomalies", "/anomalies/{id}", "/forecasts",
        "/reports", "/reports/{kind}", "/report-schedules", "/reconciliations",
        "/providers/health", "/providers/recent", "/providers/comparison", "/patterns", "/patterns/cache",
        "/provider-keys", "/benchmarks", "/me", "/me/sessions",
    )
} | {
    ("post", "/check"), ("post", "/policy/backtest"), ("post", "/what-if"), ("put", "/me/password"),
    ("delete", "/me/sessions"), ("post", "/prices/preview"),
}  # fmt: skip
FOR_WRITERS = {("post", "/quotas/{config}/alerts"), ("post", "/alerts/alertmanager"), ("post", "/provider-keys")}
FOR_ADMINS = {
    ("get", "/settings"),
    ("get", "/keys"), ("post", "/keys"), ("delete", "/keys/{prefix}"),
    ("get", "/users"), ("post", "/users"), ("get", "/users/{name}"), ("patch", "/users/{name}"),
    ("put", "/users/{name}/password"), ("delete", "/users/{name}/sessions"),
    ("get", "/sessions"), ("delete", "/sessions/{id}"),
    ("put", "/channels/{name}"), ("delete", "/channels/{name}"), ("post", "/channels/{name}/test"),
}  # fmt: skip
"""What holds secrets, says who may do what, or sends something to wherever one likes."""


def operations(world: World) -> list[tuple[str, str]]:
    paths = world.api.openapi()["paths"]
    return sorted((method, path) for path, of in paths.items() for method in of if method in METHODS)


def call(world: World, method: str, path: str, *scopes: str, **options: Any) -> Any:
    path = (
        path.replace("{id}", "x")
        .replace("{name}", "x")
        .replace("{kind}", "daily")
        .replace("{row}", "1")
        .replace("{version}", "1")
        .replace("{prefix}", "x")
    )
    return world.client(*scopes, **options).request(method, f"/api/v1{path}")


def routes_in(app: Any) -> set[str]:
    """The paths that are really served, from the application itself."""
    return {context.path_format for route in app.router.routes for context in contexts(route)}


def contexts(route: Any) -> list[Any]:
    effective = getattr(route, "effective_route_contexts", None)
    return list(effective()) if effective is not None else [route]


def test_no_route_is_missing_from_the_document(sqlite_world: World) -> None:
    served = {getattr(route, "path_format", route) for route in routes_in(sqlite_world.api)}
    documented = set(sqlite_world.api.openapi()["paths"])
    assert {str(path).replace(":path", "") for path in served} - documented == {
        "/openapi.json", "/docs", "/docs/files/{path}",
    }  # fmt: skip


def scope_of(method: str, path: str) -> str:
    for scope, of in (("read", FOR_READERS), ("write", FOR_WRITERS), ("admin", FOR_ADMINS)):
        if (method, path) in of:
            return scope
    return "edit"


def test_every_route_needs_a_key_with_the_right_scope(sqlite_world: World) -> None:
    for method, path in operations(sqlite_world):
        if (method, path) in OPEN:
            assert call(sqlite_world, method, path).status_code == 200
            continue
        needed = scope_of(method, path)
        for scope in SCOPES:
            status = call(sqlite_world, method, path, scope).status_code
            allowed = SCOPES.index(scope) >= SCOPES.index(needed)
            assert (status not in (401, 403)) == allowed, (method, path, scope, status)
            assert allowed or status == 403
        assert call(sqlite_world, method, path).status_code == 401, (method, path)
    assert set(operations(sqlite_world)) > FOR_READERS | FOR_WRITERS | FOR_ADMINS


def test_every_guarded_operation_says_so_in_the_document(sqlite_world: World) -> None:
    paths = sqlite_world.api.openapi()["paths"]
    for method, path in operations(sqlite_world):
        operation = paths[path][method]
        guarded = (method, path) not in OPEN
        assert bool(operation.get("security")) == guarded
        assert ({"401", "403"} <= set(operation["responses"])) == guarded


def test_a_refusal_says_how_a_key_is_given(world: World) -> None:
    without = call(world, "get", "/stats")
    assert without.headers["www-authenticate"] == "Bearer"
    assert without.json()["error"]["expected"] == "Bearer <key>"
    false = world.client().get("/api/v1/stats", headers={"Authorization": "Bearer tk_00000000_nonsense"})
    assert (false.status_code, false.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    weak = call(world, "get", "/keys", "read")
    assert weak.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="admin"'
    assert weak.json()["error"]["message"] == "this key is for read; needed is admin"


def test_expired_and_revoked_keys_open_nothing(world: World) -> None:
    admin = world.client("admin")
    made = admin.post("/api/v1/keys", json={"name": "for a day", "scopes": ["read"], "expires_in_days": 1}).json()
    bearer = {"Authorization": f"Bearer {made['key']}"}
    assert world.client().get("/api/v1/stats", headers=bearer).status_code == 200
    world.clock.now += timedelta(days=1)
    assert world.client().get("/api/v1/stats", headers=bearer).status_code == 401
    world.clock.now -= timedelta(days=1)
    revoked = admin.delete(f"/api/v1/keys/{made['prefix']}", params={"reason": "leaked"}).json()
    assert (revoked["active"], revoked["name"]) == (False, "for a day")
    assert world.client().get("/api/v1/stats", headers=bearer).status_code == 401


@pytest.fixture
def embedded(tmp_path: Any) -> Any:
    made = World(f"sqlite:///{tmp_path / 'ledger.db'}", open_on_loopback=True)
    yield made
    made.close()


HERE = {"client": ("127.0.0.1", 40_000), "base_url": "http://127.0.0.1:4318"}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.3.2.1"])
@pytest.mark.parametrize("host", ["localhost:4318", "127.0.0.1:4318", "[::1]:4318", "localhost"])
def test_embedded_programs_on_this_machine_need_no_key(embedded: World, address: str, host: str) -> None:
    client = embedded.client(client=(address, 40_000), base_url="http://127.0.0.1:4318")
    assert client.get("/api/v1/keys", headers={"Host": host}).status_code == 200


def test_embedded_whoever_comes_through_a_unix_socket_needs_no_key(embedded: World) -> None:
    client = embedded.client(client=("", 0), base_url="http://localhost")
    assert client.get("/api/v1/keys").status_code == 200


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"client": ("192.168.1.7", 40_000)}, "another machine"),
        ({"headers": {"Host": "evil.example"}}, "a page whose name points to loopback"),
        ({"headers": {"Origin": "https://evil.example"}}, "a page that sends a form"),
        ({"headers": {"Origin": "null"}}, "a page in a sandbox"),
        ({"headers": {"X-Forwarded-For": "203.0.113.9"}}, "a proxy on this machine"),
        ({"headers": {"Forwarded": "for=203.0.113.9"}}, "a proxy on this machine"),
    ],
)  # fmt: skip
def test_embedded_others_need_one(embedded: World, change: dict[str, Any], why: str) -> None:
    headers = change.pop("headers", {})
    client = embedded.client(**{**HERE, **change})
    assert client.get("/api/v1/stats", headers=headers).status_code == 401, why
    assert embedded.client("read", **{**HERE, **change}).get("/api/v1/stats", headers=headers).status_code == 200


def test_embedded_a_wrong_key_is_refused_all_the_same(embedded: World) -> None:
    assert embedded.client(**HERE).get("/api/v1/stats", headers={"Authorization": "Bearer x"}).status_code == 401


def test_open_to_all_nobody_needs_one(sqlite_world: World) -> None:
    """Neither from elsewhere, nor with a key of somebody else's; who has one of ours is still known by it."""
    services = dataclasses.replace(sqlite_world.services, open_to_all=True)
    sqlite_world.api.state.services = services
    client = sqlite_world.client()
    made = {"name": "x", "scopes": ["read"]}
    assert client.post("/api/v1/keys", json=made, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 201
    assert client.post("/api/v1/keys", json=made, headers={"Authorization": "Bearer a-proxy's"}).status_code == 201
    assert sqlite_world.client("read").post("/api/v1/keys", json=made).status_code == 201
    authors = [one["author"] for one in client.get("/api/v1/audit").json()["changes"]]
    assert [author for author in authors if author != "tests"] == ["a test", "anybody", "anybody"]


def test_keys_are_in_no_log_and_no_answer(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = world.key("admin")
    client = world.client()
    bearer = {"Authorization": f"Bearer {key}"}
    said = [client.get(f"/api/v1{path}", headers=bearer).text for path in ("/keys", "/audit", "/stats?nonsense=1")]
    said.append(client.get("/api/v1/stats", headers={"Authorization": f"Bearer {key}x"}).text)
    secret = key.split("_", 2)[2]
    assert secret not in "".join(said) + caplog.text
