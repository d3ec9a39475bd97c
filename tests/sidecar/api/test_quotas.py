"""The quotas of configurations: set as limits, read from the ledger, reset without taking anything out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import tollkeeper
from sidecar.api.serving import serving
from sidecar.api.world import NOW, World, failed, make_call
from tollkeeper.client.standings import QuotaStatus
from tollkeeper.model import Bound
from tollkeeper.storage.admission import Ticket

PATH = "/api/v1/quotas"
PROD = {"config": "openai-prod", "tenant": "acme"}


def put(world: World, config: str = "openai-prod", **body: Any) -> Any:
    answer = world.client("admin").put(f"{PATH}/{config}", json={"quota_limit": 10_000, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def get(world: World, config: str = "openai-prod") -> Any:
    answer = world.client("read").get(f"{PATH}/{config}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def use(world: World, id: str, tokens: int) -> None:
    admission = world.limiting.admission()
    ticket = admission.admit(id, admission.bindings(make_call(1, tags=PROD)), Bound(tokens, 0, 0))
    assert isinstance(ticket, Ticket)
    admission.settle(ticket, Bound(tokens, 0, 0))


def test_a_quota_from_the_ledger(world: World) -> None:
    world.record(
        *(make_call(number, tags=PROD) for number in range(7)),
        failed(8, tags=PROD),
        make_call(9, tags=PROD, provider="azure.ai.openai"),
        make_call(10, tags=PROD, at=NOW - timedelta(days=31)),
        make_call(11, tags={"config": "other"}),
    )
    assert put(world, alert_threshold_percent=80.0) == get(world)
    assert get(world) == {
        "config_id": "openai-prod", "provider": "openai", "total_requests": 9, "successful_requests": 8,
        "failed_requests": 1, "total_tokens": 8800, "quota_limit": 10_000, "quota_remaining": 1200,
        "usage_percent": 88.0, "mode": "hard", "alert_threshold_percent": 80, "alert_triggered": True,
        "reset_at": "2026-04-01T00:00:00Z", "last_updated": "2026-03-31T14:30:15.250000Z", "last_alert_sent": None,
    }  # fmt: skip
    limits = world.client("read").get("/api/v1/limits?config=openai-prod").json()["limits"]
    assert [(each["name"], each["form"]) for each in limits] == [
        ("quota openai-prod", "10,000 tokens / month per config")
    ]


def test_what_nobody_has_limited_is_null(world: World) -> None:
    world.record(make_call(1, tags={"config": "free"}))
    put(world, "unused", quota_limit=0)
    free, unused = world.client("read").get(PATH).json()["quotas"]
    assert (free["config_id"], free["quota_limit"], free["quota_remaining"], free["usage_percent"]) == (
        "free", None, None, None,
    )  # fmt: skip
    assert (free["alert_triggered"], free["total_tokens"]) == (False, 1100)
    assert (unused["usage_percent"], unused["alert_triggered"], unused["last_updated"]) == (100.0, True, None)
    assert world.client("read").get(f"{PATH}/nobody").status_code == 404


def test_a_reset_begins_anew_and_takes_nothing_out_of_the_ledger(world: World) -> None:
    put(world)
    use(world, "a", 6000)
    world.record(*(make_call(number, tags=PROD) for number in range(6)))
    client = world.client("admin")
    answer = client.delete(f"{PATH}/openai-prod?reason=bought+more")
    assert answer.status_code == 200
    assert (answer.json()["total_tokens"], answer.json()["total_requests"]) == (0, 0)
    limit = client.get("/api/v1/limits?config=openai-prod").json()["limits"][0]
    assert (limit["used"], limit["remaining"]) == (0, 10_000)
    use(world, "b", 1100)
    world.record(make_call(7, tags=PROD))
    assert get(world)["total_tokens"] == 1100
    assert client.get("/api/v1/usage?config=openai-prod").json()["total_tokens"] == 7700
    (change,) = client.get("/api/v1/audit?action=reset").json()["changes"]
    assert (change["author"], change["reason"], change["before"]["amount"]) == ("a test", "bought more", 6600)
    world.clock.now += timedelta(days=1)
    assert client.get(f"{PATH}/openai-prod").json()["reset_at"] == "2026-05-01T00:00:00Z"
    assert client.delete(f"{PATH}/nobody").status_code == 404


def test_a_change_resets_nothing(sqlite_world: World) -> None:
    put(sqlite_world)
    use(sqlite_world, "a", 6000)
    put(sqlite_world, quota_limit=7000, mode="soft", alert_threshold_percent=90)
    limit = sqlite_world.client("read").get("/api/v1/limits?config=openai-prod").json()["limits"][0]
    assert (limit["used"], limit["amount"], limit["mode"]) == (6000, 7000, "soft")
    assert sqlite_world.policies.revision() == 2


@pytest.mark.parametrize(
    "body", [{}, {"quota_limit": -1}, {"quota_limit": 1, "alert_threshold_percent": 101},
             {"quota_limit": 1, "alert_threshold_percent": 80.5}, {"quota_limit": 1, "mode": "no"},
             {"quota_limit": True}, {"quota_limit": "1"}],
)  # fmt: skip
def test_wrong_quotas(sqlite_world: World, body: Any) -> None:
    assert sqlite_world.client("admin").put(f"{PATH}/x", json=body).status_code == 422
    assert sqlite_world.policies.revision() == 0


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400"])
def test_what_json_has_no_number_for_is_refused_as_any_other(sqlite_world: World, number: str) -> None:
    answer = sqlite_world.client("admin").put(
        f"{PATH}/a", content=f'{{"quota_limit": {number}}}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "quota_limit"


def test_a_quota_is_taken_away_when_asked_for(sqlite_world: World) -> None:
    put(sqlite_world)
    sqlite_world.record(make_call(1, tags=PROD))
    client = sqlite_world.client("admin")
    assert client.delete(f"{PATH}/openai-prod").json()["quota_limit"] == 10_000
    removed = client.delete(f"{PATH}/openai-prod?remove=true").json()
    assert (removed["quota_limit"], removed["total_requests"]) == (None, 1)
    assert client.delete(f"{PATH}/openai-prod?remove=true").status_code == 404
    assert sqlite_world.policies.current().policy().limits == ()


def test_of_all_who_watch_one_tells_once_an_hour(world: World) -> None:
    client = world.client("write")

    def claim(config: str = "openai-prod", **body: int) -> bool:
        return bool(client.post(f"{PATH}/{config}/alerts", json=body).json()["claimed"])

    put(world)
    assert [claim(), claim(), claim("other")] == [True, False, True]
    assert get(world)["last_alert_sent"] == "2026-03-31T14:30:15.250000Z"
    world.clock.now += timedelta(minutes=59)
    assert not claim() and claim(interval_seconds=60)
    assert world.client("read").post(f"{PATH}/x/alerts", json={}).status_code == 403


@pytest.fixture
def url(sqlite_world: World) -> Iterator[str]:
    with serving(sqlite_world.app) as address:
        yield address


async def test_quotas_in_python(sqlite_world: World, url: str) -> None:
    """As the examples of the requirement have it."""
    sqlite_world.record(*(make_call(number, tags=PROD) for number in range(8)))
    told: list[tuple[str, int]] = []

    async def awaited(config_id: str, quota: QuotaStatus) -> None:
        assert quota.quota_limit
        told.append((config_id, round(quota.total_tokens / quota.quota_limit * 100)))

    def plain(config_id: str, quota: QuotaStatus) -> None:
        told.append((config_id, quota.total_tokens))

    def broken(config_id: str, quota: QuotaStatus) -> None:
        raise RuntimeError("no mail server")

    async with tollkeeper.Quotas(url, sqlite_world.key("admin")) as quotas:
        for handler in (broken, awaited, plain):
            quotas.add_alert_handler(handler)
        await quotas.set_quota_limit("openai-prod", 10_000, alert_threshold_percent=80.0)
        await quotas.set_quota_limit("openai-dev", 100)
        status = await quotas.get_quota_status("openai-prod")
        assert status is not None
        assert (status["usage_percent"], status["alert_triggered"], status["reset_at"]) == (
            88.0, True, "2026-04-01T00:00:00+00:00",
        )  # fmt: skip
        assert [each["config_id"] for each in await quotas.get_all_quota_statuses()] == ["openai-dev", "openai-prod"]
        assert await quotas.get_quota_status("nobody") is None
        assert await quotas.check() == ["openai-prod"]
        assert told == [("openai-prod", 88), ("openai-prod", 8800)]
        assert await quotas.check() == [], "once an hour"
        sqlite_world.clock.now += timedelta(hours=1)
        quotas.remove_alert_handler(broken)
        assert await quotas.check() == ["openai-prod"]
        await quotas.reset_quota("openai-prod")
        assert (await quotas.get_quota_status("openai-prod") or {})["alert_triggered"] is False
        with pytest.raises(ValueError, match="expected a number from 0 to 100"):
            await quotas.set_quota_limit("x", 1, 101)
        for config in ("", ".", ".."):
            with pytest.raises(ValueError, match="expected a name that a URL can have"):
                await quotas.set_quota_limit(config, 1)
        interval: Any
        for interval in (0, -1, float("nan"), float("inf"), "x", True, None):
            with pytest.raises(ValueError, match="expected seconds, more than 0"):
                await quotas.start_monitoring(interval)


async def test_monitoring_goes_on_until_it_is_stopped(sqlite_world: World, url: str) -> None:
    sqlite_world.record(*(make_call(number, tags=PROD) for number in range(8)))
    asked: asyncio.Queue[float] = asyncio.Queue()
    go = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await asked.put(seconds)
        await go.wait()
        go.clear()

    told: list[str] = []
    quotas = tollkeeper.Quotas(url, sqlite_world.key("admin"), alert_interval=0, sleep=sleep)
    quotas.add_alert_handler(lambda config_id, quota: told.append(config_id))
    await quotas.set_quota_limit("openai-prod", 10_000)
    await quotas.start_monitoring(interval=7)
    await quotas.start_monitoring(interval=7)
    assert await asked.get() == 7 and told == ["openai-prod"]
    go.set()
    await asked.get()
    assert told == ["openai-prod"] * 2
    await quotas.stop_monitoring()
    await quotas.stop_monitoring()
    await quotas.aclose()


async def test_a_sidecar_that_is_away_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    turns: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        await turns.put(seconds)
        await asyncio.sleep(0)

    async with tollkeeper.Quotas("http://127.0.0.1:9", "tk_x", sleep=sleep) as quotas:
        await quotas.start_monitoring(interval=3)
        assert [await turns.get() for _ in range(2)] == [3, 3]
    assert "the quotas cannot be checked, and are tried again in 3 s" in caplog.text
