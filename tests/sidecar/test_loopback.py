"""Where no keys are asked for on loopback, calls are taken from programs of this machine only, and of no web page."""

from __future__ import annotations

import logging
import time

import grpc
import pytest

from sidecar.receive.bodies import logs
from sidecar.receive.serving import Keeper, serving
from sidecar.running import running
from tollkeeper.cli import serve
from tollkeeper.config import ServeSettings
from tollkeeper.sidecar.loopback import is_local_peer
from tollkeeper.sidecar.receive.door import Door

EMPTY = logs().SerializeToString()
FROM_ELSEWHERE = ({"Host": "evil.example"}, {"X-Forwarded-For": "8.8.8.8"}, {"Origin": "https://evil.example"})
EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


async def nobody(_: str | None) -> int | None:
    return 401


def test_otlp_over_http() -> None:
    keeper = Keeper()
    with serving(Door(keeper, authorize=nobody, open_on_loopback=True), keeper) as server:
        assert server.post("/v1/logs", EMPTY).status == 200
        for headers in FROM_ELSEWHERE:
            assert server.post("/v1/logs", EMPTY, **headers).status == 401, headers
    with serving(Door(keeper, authorize=nobody), keeper) as server:
        assert server.post("/v1/logs", EMPTY).status == 401


def test_otlp_over_grpc() -> None:
    keeper = Keeper()
    with (
        serving(Door(keeper, authorize=nobody, open_on_loopback=True), keeper) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        export = channel.unary_unary(EXPORT)
        export(EMPTY)
        with pytest.raises(grpc.RpcError) as refused:
            export(EMPTY, metadata=(("x-forwarded-for", "8.8.8.8"),))
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("ipv4:127.0.0.1:51234", True),
        ("ipv6:[::1]:51234", True),
        ("ipv6:%5B::1%5D:51234", True),
        ("ipv6:[::ffff:127.0.0.1]:51234", True),
        ("unix:", True),
        ("unix:/run/tollkeeper.sock", True),
        ("ipv4:10.1.2.3:51234", False),
        ("ipv6:%5B2001:db8::1%5D:51234", False),
        ("", False),
    ],
)
def test_peers_of_grpc(peer: str, local: bool) -> None:
    assert is_local_peer(peer, {}) is local


@pytest.mark.parametrize("require_keys", [None, False])
def test_a_sidecar_on_loopback(tmp_path, require_keys: bool | None) -> None:  # type: ignore[no-untyped-def]
    """The same for its API and for OTLP. `require_keys=false` asks nobody."""
    arguments = [] if require_keys is None else ["--require-keys", "false"]
    with running(f"sqlite:///{tmp_path}/ledger.db", tmp_path, *arguments) as sidecar:
        told = "No key is needed from this machine." if require_keys is None else "No key is asked for, of anybody."
        until = time.monotonic() + 10
        while told not in sidecar.log.read_text() and time.monotonic() < until:
            time.sleep(0.05)
        assert told in sidecar.log.read_text()
        sidecar.get("/api/v1/stats")
        for headers in FROM_ELSEWHERE:
            if require_keys is None:
                with pytest.raises(OSError, match="401"):
                    sidecar.get("/api/v1/stats", **headers)
            else:
                sidecar.get("/api/v1/stats", **headers)
                assert "tollkeeper_build_info" in sidecar.get("/metrics", **headers)


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_whoever_opens_it_to_all_is_warned(host: str, warned: bool, monkeypatch, caplog, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(serve, "_run", lambda *_: 0)
    caplog.set_level(logging.WARNING)
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    assert serve.main(["--host", host, "--port", "0", "--ledger", ledger, "--require-keys", "false"]) == 0
    assert ("require_keys is false" in caplog.text) is warned


@pytest.mark.parametrize(
    ("settings", "on_loopback", "to_all"),
    [
        (ServeSettings(), True, False),
        (ServeSettings(host="0.0.0.0"), False, False),
        (ServeSettings(require_keys=True), False, False),
        (ServeSettings(require_keys=False), False, True),
        (ServeSettings(host="0.0.0.0", require_keys=False), False, True),
    ],
)
def test_who_needs_no_key(settings: ServeSettings, on_loopback: bool, to_all: bool) -> None:
    assert (settings.open_on_loopback, settings.open_to_all) == (on_loopback, to_all)
