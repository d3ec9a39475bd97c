"""What is special about counters in Redis: its keys, its time, and that it can be gone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import get_context

import pytest
import redis as client

from clocks import START, Clock
from services import redis
from services.ports import free_port
from services.redis import RedisServer
from storage.counters.charges import HOUR, SECOND, dollars, hold, rate, slot
from tollkeeper.storage.counters import Counters, CountersUnavailable, Held, Level
from tollkeeper.storage.counters.contract import LATE, REMEMBERED
from tollkeeper.storage.counters.opening import open_counters
from tollkeeper.storage.counters.redis import TIMEOUT_SECONDS, RedisCounters

Make = Callable[..., RedisCounters]


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """One that a test may stop. What it was told is on its disk."""
    with redis.running(persistent=True) as server:
        yield server


def of(server: RedisServer, seconds: float = 10.0) -> RedisCounters:
    return RedisCounters(server.url, timeout_seconds=seconds)


def until_now(counters: Counters) -> int:
    return counters.now() + HOUR


def test_all_keys_are_of_one_slot_of_a_cluster(redis_server: RedisServer, redis_counters: Make, clock: Clock) -> None:
    counters = redis_counters(prefix="one-slot", server_clock=clock)
    for number in range(5):
        mine = hold(f"{number}{{x}}", dollars(1, key=f"key-{number} {{y}}"), rate(key=f"rate-{number}"), slot(10))
        counters.reserve(mine)
        if number % 2:
            counters.settle(mine, [1, 1, 1])
    clock.now += 60 * SECOND
    counters.read([])
    counters.reserve(hold("late", slot(10), at=clock.now))
    with closing(client.Redis.from_url(redis_server.url)) as asked:
        keys = asked.keys("{one-slot}*")
        assert {key.split(b":")[1] for key in keys} == {b"counts", b"forget", b"hold", b"due"}
    with (
        redis.running(options=("--cluster-enabled", "yes")) as cluster,
        closing(client.Redis.from_url(cluster.url)) as asked,
    ):
        assert len({asked.execute_command("CLUSTER KEYSLOT", key) for key in keys}) == 1


def test_a_node_of_a_cluster_answers(clock: Clock) -> None:
    with redis.running(options=("--cluster-enabled", "yes")) as cluster:
        with closing(client.Redis.from_url(cluster.url)) as asked:
            asked.execute_command("CLUSTER ADDSLOTSRANGE 0 16383")
            state = ""
            while state != "ok":
                state = asked.execute_command("CLUSTER INFO")["cluster_state"]
        counters = of(cluster)
        mine = hold("a", dollars(60), slot(), rate(), at=counters.now())
        assert isinstance(counters.reserve(mine), Held)
        assert counters.settle(mine, [50, 1, 1])[0] == Level(50, 0)
        counters.close()


def test_prefixes_are_counted_apart(redis_server: RedisServer) -> None:
    one, other = open_counters(f"{redis_server.url}?prefix=one"), open_counters(f"{redis_server.url}?prefix=other")
    one.settle(hold("a", dollars(1, until=0)), [5])
    assert one.read([dollars(0)]) == (Level(5, 0),)
    assert other.read([dollars(0)]) == (Level(0, 0),)


def test_the_time_is_the_servers(redis_server: RedisServer, redis_counters: Make) -> None:
    wrong = redis_counters(clock=lambda: time.time_ns() - 5 * HOUR)
    with closing(client.Redis.from_url(redis_server.url)) as asked:
        seconds, microseconds = asked.time()
        assert abs(wrong.now() - (seconds * SECOND + microseconds * 1000)) < SECOND
    soon = hold("a", slot(), at=wrong.now(), seconds=0.05)
    wrong.reserve(soon)
    while wrong.holds():
        time.sleep(0.01)
    assert wrong.now() >= soon.expires_at


def test_what_is_over_is_forgotten(redis_server: RedisServer, redis_counters: Make, clock: Clock) -> None:
    counters = redis_counters(prefix="forgotten", server_clock=clock)
    for number in range(250):
        mine = hold(f"{number}", dollars(1, key=f"user-{number}"), rate(key=f"rate-{number}"), slot(key=f"s-{number}"))
        counters.reserve(mine)
        counters.settle(mine, [1, 1, 1])
    forever = hold("for ever", dollars(1, key="for ever", until=0))
    counters.settle(forever, [1])
    with closing(client.Redis.from_url(redis_server.url)) as asked:
        for key in asked.keys("{forgotten}:hold:*"):
            assert REMEMBERED // 10**6 - 60_000 < asked.pttl(key) <= REMEMBERED // 10**6
        clock.now = START + HOUR + LATE
        for number in range(10):
            new = dollars(1, key=f"new-{number}", until=clock.now + HOUR)
            counters.settle(hold(f"new-{number}", new), [1])
        assert set(asked.hkeys("{forgotten}:counts")) == {b"for ever", *(b"new-%d" % number for number in range(10))}
        assert asked.zcard("{forgotten}:forget") == 10


def test_a_hold_that_the_server_has_lost_is_over(redis_server: RedisServer, redis_counters: Make, clock: Clock) -> None:
    counters = redis_counters(prefix="lost", server_clock=clock)
    settled, forgotten = hold("settled", dollars(30), slot(), rate()), hold("forgotten", dollars(20))
    counters.reserve(settled)
    counters.reserve(forgotten)
    counters.reserve(hold("kept", dollars(10)))
    with closing(client.Redis.from_url(redis_server.url)) as asked:
        asked.delete("{lost}:hold:settled", "{lost}:hold:forgotten")
    assert [each.id for each in counters.holds()] == ["kept"]
    assert counters.settle(settled, [25, 1, 1]) == (Level(25, 30), Level(0, 0), Level(1, 0)), "its owner knows it"
    clock.now += 61 * SECOND
    assert counters.read([dollars(0)]) == (Level(35, 20, 10),), "nobody knows any more what the other held"
    assert counters.holds() == ()


def test_scripts_that_the_server_has_forgotten_are_sent_again(
    redis_server: RedisServer, redis_counters: Make, clock: Clock
) -> None:
    counters = redis_counters(server_clock=clock)
    counters.reserve(hold("a", dollars(60)))
    with closing(client.Redis.from_url(redis_server.url)) as asked:
        asked.script_flush()
    assert counters.settle(hold("a", dollars(60)), [50]) == (Level(50, 0),)


def test_a_server_that_does_not_answer_costs_the_timeout(own_server: RedisServer) -> None:
    patient, counters = of(own_server), RedisCounters(own_server.url)
    mine = hold("a", dollars(60, until=0), at=patient.now())
    counters.reserve(mine)
    own_server.pause()
    try:
        for question in (lambda: counters.reserve(mine), lambda: counters.settle(mine, [50]), counters.holds):
            start = time.monotonic()
            with pytest.raises(CountersUnavailable, match=f"redis at 127.0.0.1:{own_server.port}"):
                question()
            assert TIMEOUT_SECONDS * 0.9 < time.monotonic() - start < TIMEOUT_SECONDS * 10
    finally:
        own_server.go_on()
    # What was asked meanwhile was done when it went on; asked again, it is done once.
    assert patient.settle(mine, [50]) == (Level(50, 0),)
    assert patient.settle(mine, [50]) == (Level(50, 0),)
    assert patient.holds() == ()


def test_paused_in_the_middle_of_many_calls_it_books_each_once(own_server: RedisServer) -> None:
    """Each call is asked again until there is an answer: nothing is lost, and nothing counted twice."""
    cap, threads, calls = 10**6, 4, 60
    done: list[int] = []

    def insist(question: Callable[[], object]) -> None:
        while True:
            try:
                question()
                return
            except CountersUnavailable:
                time.sleep(0.002)

    def work(name: int) -> None:
        counters = RedisCounters(own_server.url, timeout_seconds=0.01)
        for number in range(calls):
            mine = hold(f"{name}-{number}", dollars(7, cap=cap, until=0), slot(threads), at=time.time_ns())
            insist(lambda mine=mine, counters=counters: counters.reserve(mine))
            insist(lambda mine=mine, counters=counters: counters.settle(mine, [5, 1]))
            done.append(number)

    workers = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
    for worker in workers:
        worker.start()
    for enough in (20, 90, 150):
        while len(done) < enough:
            time.sleep(0.001)
        own_server.pause()
        time.sleep(0.03)
        own_server.go_on()
    for worker in workers:
        worker.join()
    counters = of(own_server)
    assert counters.read([dollars(0), slot()]) == (Level(5 * threads * calls, 0), Level(0, 0))
    assert counters.holds() == ()


def test_restarted_with_its_disk_it_knows_all(own_server: RedisServer) -> None:
    counters = of(own_server)
    first, second = (hold(id, dollars(30, until=0), slot(), at=counters.now()) for id in "ab")
    counters.reserve(first)
    counters.settle(first, [20, 1])
    counters.reserve(second)
    own_server.kill()
    with pytest.raises(CountersUnavailable):
        counters.settle(second, [30, 1])
    own_server.start()
    assert counters.settle(first, [20, 1]) == (Level(20, 30), Level(0, 1))
    assert counters.settle(second, [30, 1]) == (Level(50, 0), Level(0, 0))


def test_restarted_without_a_disk_it_books_what_it_has_never_heard_of() -> None:
    with redis.running() as server:
        counters = of(server)
        mine = hold("a", dollars(60, until=0), slot(), rate(2), at=counters.now())
        counters.reserve(mine)
        server.kill()
        server.start()
        assert counters.holds() == ()
        assert counters.settle(mine, [50, 1, 2])[:2] == (Level(50, 0), Level(0, 0))
        assert isinstance(counters.reserve(hold("b", dollars(50, until=0), slot(), at=counters.now())), Held)


def test_a_connection_that_was_closed_is_opened_again_without_a_word(
    redis_server: RedisServer, redis_counters: Make
) -> None:
    counters = redis_counters()
    counters.read([dollars(0)])
    with closing(client.Redis.from_url(redis_server.url)) as asked:
        asked.client_kill_filter(_type="normal", skipme=True)
    assert counters.read([dollars(0)]) == (Level(0, 0),)
    counters.close()
    assert counters.read([dollars(0)]) == (Level(0, 0),), "closed, it opens again when it is asked"


def test_nobody_there(clock: Clock) -> None:
    counters = RedisCounters(f"redis://:secret@127.0.0.1:{free_port()}/0")
    for question in (counters.now, counters.holds, lambda: counters.read([dollars(0)])):
        with pytest.raises(CountersUnavailable) as raised:
            question()
        assert "secret" not in str(raised.value)


def test_a_server_that_speaks_no_redis() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"HTTP/1.1 400\r\n\r\n"), daemon=True).start()
        with pytest.raises(CountersUnavailable):
            RedisCounters(f"redis://127.0.0.1:{server.getsockname()[1]}").read([dollars(0)])


def test_a_full_server_holds_nothing() -> None:
    with redis.running(options=("--maxmemory-policy", "noeviction")) as server:
        counters = of(server)
        with closing(client.Redis.from_url(server.url)) as asked:
            # Less than an empty server takes: how full one truly is changes with every connection.
            asked.config_set("maxmemory", 1)
            with pytest.raises(CountersUnavailable, match="memory"):
                counters.reserve(hold("a", dollars(60), slot(), at=time.time_ns()))
            assert asked.keys("{tollkeeper}*") == []


def test_a_forked_child_has_connections_of_its_own(redis_counters: Make, clock: Clock) -> None:
    counters = redis_counters(server_clock=clock)
    counters.reserve(hold("parent", dollars(1, cap=1000)))

    def many(name: str) -> None:
        for number in range(100):
            mine = hold(f"{name}-{number}", dollars(1, cap=1000))
            assert counters.reserve(mine).__class__ is Held
            assert counters.settle(mine, [2])[0].spent >= 2

    child = get_context("fork").Process(target=many, args=("child",))
    child.start()
    many("parent")
    child.join()
    assert child.exitcode == 0
    assert counters.read([dollars(0)]) == (Level(400, 1),)


def test_time_is_learned_from_each_answer(redis_counters: Make) -> None:
    wrong_by = 0
    counters = redis_counters(clock=lambda: time.time_ns() + wrong_by)
    counters.read([dollars(0)])
    wrong_by = HOUR
    counters.read([dollars(0)])
    assert abs(counters.now() - time.time_ns()) < 5 * SECOND
