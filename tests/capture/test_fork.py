"""Threads, forks and the end of the process: every call is counted once, where it was made, and none is lost."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import tollkeeper
from capture.otlp_server import Collector
from capture.processes import ASK, environment, run, total
from services.ports import free_port
from tollkeeper.simulator import Simulator

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

COUNTS = f"""
import json, sys
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client.parser import text_string_to_metric_families
import tollkeeper
from tollkeeper.capture import faults
{ASK}
def of_otel(reader, name):
    data = reader.get_metrics_data()
    return sum(
        point.value
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    )

def of_prometheus(handle, name):
    return sum(
        sample.value
        for family in text_string_to_metric_families(handle.render_metrics()[0].decode())
        for sample in family.samples
        if sample.name == name
    )
"""
"""The beginning of a program that counts its calls."""

FORK = f"""{COUNTS}
calls = []
reader = InMemoryMetricReader()
handle = tollkeeper.instrument(prometheus=True, meter_provider=MeterProvider([reader]), on_call=calls.append)
ask()
ask()
faults.report("stand in a test", ValueError("on purpose"))
handle.render_metrics()
handle.flush()

def told():
    handle.flush()
    return [
        of_prometheus(handle, "tollkeeper_calls_total"),
        of_prometheus(handle, "gen_ai_client_operation_duration_seconds_count"),
        of_prometheus(handle, "tollkeeper_faults_total"),
        of_otel(reader, "tollkeeper.calls"),
        of_otel(reader, "tollkeeper.faults"),
        len(calls),
    ]

inner, outer = os.pipe()
child = os.fork()
if child == 0:
    at_first = told()
    ask()
    os.write(outer, json.dumps([at_first, told()]).encode())
    os._exit(0)
os.waitpid(child, 0)
of_child = json.loads(os.read(inner, 10_000))
ask()
print(json.dumps([*of_child, told()]))
"""


@pytest.fixture
def base_url() -> Iterator[str]:
    with Simulator(seed=1) as running:
        yield running.base_url("openai")


@forks
def test_a_forked_child_counts_from_zero(base_url: str) -> None:
    at_first, child, parent = json.loads(run(FORK, environment(base_url)).splitlines()[0])
    assert at_first == [0, 0, 0, 0, 0, 2]
    assert child == [1, 1, 0, 1, 0, 3]
    assert parent == [3, 3, 1, 3, 1, 3]


@forks
def test_forked_processes_sum_up_under_a_common_folder(base_url: str, tmp_path: Path) -> None:
    out = run(FORK, environment(base_url, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)))
    at_first, child, parent = json.loads(out.splitlines()[0])
    assert at_first == [2, 2, 1, 0, 0, 2]
    assert child == [3, 3, 1, 1, 0, 3]
    assert parent == [4, 4, 1, 3, 1, 3]


@forks
def test_many_generations_of_children_lose_nothing(base_url: str, tmp_path: Path) -> None:
    program = f"""{COUNTS}
handle = tollkeeper.instrument(prometheus_port=0)
children = []
for _ in range(4):
    ask()
    child = os.fork()
    if child == 0:
        ask()
        if os.fork() == 0:
            ask()
            ask()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
print(of_prometheus(handle, "tollkeeper_calls_total"))
"""
    assert run(program, environment(base_url, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))) == "16.0\n"


@forks
def test_a_fork_right_after_the_start_does_not_hang(base_url: str) -> None:
    program = f"""{ASK}
import tollkeeper
tollkeeper.instrument()
child = os.fork()
ask()
if child:
    print(os.waitpid(child, 0)[1])
else:
    os._exit(0)
"""
    assert run(program, environment(base_url)) == "0\n"


@forks
def test_a_child_takes_over_the_port_of_a_parent_that_has_gone(base_url: str) -> None:
    program = f"""{COUNTS}
import urllib.request
handle = tollkeeper.instrument(prometheus_port=int(os.environ["METRICS_PORT"]))
ask()
alive, end = os.pipe()
if os.fork():
    os._exit(0)
os.close(end)
os.read(alive, 1)  # returns when the parent has gone
ask()
print(urllib.request.urlopen(handle.metrics_url).read().decode())
"""
    env = environment(base_url, METRICS_PORT=str(free_port()))
    assert total(run(program, env), "tollkeeper_calls_total") == 1


@forks
def test_a_child_whose_calls_are_on_no_page_says_so(base_url: str) -> None:
    program = f"""{ASK}
import tollkeeper
handle = tollkeeper.instrument(prometheus_port=0)
child = os.fork()
ask()
if child:
    assert os.waitpid(child, 0)[1] == 0
    print(handle.render_metrics()[0].decode())
else:
    os._exit(0)
"""
    out = run(program, environment(base_url))
    assert out.count("PROMETHEUS_MULTIPROC_DIR sums them up") == 1
    assert total(out.partition("process ")[0], "tollkeeper_calls_total") == 1


UNDER_WAY = f"""{ASK}
import gc, time, tollkeeper
from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy
limits = Limit("tokens", "tokens", 10**6, Window("day")), Limit("slots", "concurrency", 50)
calls = []
handle = tollkeeper.instrument(policy=Policy("p", limits), counters=os.environ["COUNTERS"], on_call=calls.append)

def stands():
    return [(status.used - status.held, status.held) for status in handle.limits()]

def fork(work):
    child = os.fork()
    if child == 0:
        work()
        gc.collect()
        handle.flush()
        handle.uninstrument()
        os._exit(len(calls))
    assert os.waitpid(child, 0)[1] == 0, "the child has recorded a call"
"""
"""The beginning of a program that forks while it calls."""


@forks
@pytest.mark.parametrize("counters", ["memory:", "sqlite"])
def test_a_stream_that_the_parent_reads_is_not_the_childs_to_end(base_url: str, counters: str, tmp_path: Path) -> None:
    url = counters if counters == "memory:" else f"sqlite:///{tmp_path}/counters.db"
    program = f"""{UNDER_WAY}
client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="any")
question = [dict(role="user", content="Hello")]
stream = client.chat.completions.create(model="gpt-4o-mini", messages=question, max_tokens=1000, stream=True)
chunks = iter(stream)
next(chunks)
before = stands()

def forget():
    global stream, chunks, client
    del stream, chunks, client

fork(forget)
assert stands() == before and before[1] == (0, 1), (before, stands())
list(chunks)
handle.flush()
(call,) = calls
assert stands() == [(call.usage.input_tokens + call.usage.output_tokens, 0), (0, 0)], stands()
"""
    run(program, environment(base_url, COUNTERS=url))


@forks
def test_a_fork_in_the_middle_of_a_call_ends_it_in_the_parent_only(base_url: str, tmp_path: Path) -> None:
    """The child's stack unwinds through the call."""
    program = f"""{UNDER_WAY}
import httpx

class Left(Exception):
    pass

def on_request(request):
    def leave():
        raise Left
    try:
        fork(leave)
    except Left:
        raise SystemExit from None

client = openai.OpenAI(
    base_url=os.environ["BASE_URL"], api_key="any", http_client=httpx.Client(event_hooks=dict(request=[on_request]))
)
try:
    client.chat.completions.create(model="gpt-4o-mini", messages=[dict(role="user", content="Hello")])
except SystemExit:
    handle.flush()
    handle.uninstrument()
    os._exit(len(calls))
handle.flush()
(call,) = calls
assert stands() == [(call.usage.input_tokens + call.usage.output_tokens, 0), (0, 0)], stands()
"""
    run(program, environment(base_url, COUNTERS=f"sqlite:///{tmp_path}/counters.db"))


def test_threads_count_exactly(instrumented: Callable[..., tollkeeper.Instrumentation], base_url: str) -> None:
    reader = InMemoryMetricReader()
    handle = instrumented(prometheus=True, meter_provider=MeterProvider([reader]))
    client = openai.OpenAI(base_url=base_url, api_key="any")
    question: Any = [{"role": "user", "content": "Hello"}]

    def ask(number: int) -> None:
        with tollkeeper.tags(tenant=f"t{number % 3}"):
            client.chat.completions.create(model="gpt-4o-mini", messages=question)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(120)))
    text = handle.render_metrics()[0].decode()
    assert [total(text, "tollkeeper_calls_total", tenant=f"t{each}") for each in range(3)] == [40, 40, 40]
    assert total(text, "gen_ai_client_token_usage_count", gen_ai_token_type="output") == 120


def test_slow_callbacks_have_run_when_the_process_is_gone(base_url: str) -> None:
    program = f"""{ASK}
import threading, tollkeeper
never = threading.Event()

def on_call(call):
    never.wait(0.03)
    print(call.id, flush=True)

tollkeeper.instrument(on_call=on_call)
for _ in range(5):
    ask()
"""
    assert len(set(run(program, environment(base_url)).split())) == 5


def test_events_have_left_when_the_process_ends_by_an_exception(base_url: str) -> None:
    program = f"""{ASK}
import tollkeeper
tollkeeper.instrument()
ask()
raise SystemExit(0)
"""
    with Collector() as collector:
        run(program, environment(base_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url))
        assert (len(collector.logs), len(collector.spans)) == (1, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="fork and forkserver")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_are_counted(method: str, base_url: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"""{COUNTS}
import multiprocessing

def work():
    tollkeeper.instrument(prometheus=True)
    ask()

if __name__ == "__main__":
    handle = tollkeeper.instrument(prometheus=True)
    ask()
    workers = [multiprocessing.get_context({method!r}).Process(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    print(of_prometheus(handle, "tollkeeper_calls_total"))
""")
    numbers = tmp_path / "numbers"
    numbers.mkdir()
    env = environment(base_url, PROMETHEUS_MULTIPROC_DIR=str(numbers))
    assert run([sys.executable, str(program)], env) == "4.0\n"
