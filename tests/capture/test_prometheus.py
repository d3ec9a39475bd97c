"""The app's own `/metrics`: what it says, in one process and under gunicorn."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from os import kill
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

import tollkeeper
from capture.processes import ASK, environment, get, run, total
from services.ports import free_port
from tollkeeper import Call, ConfigurationError, Cost, Usage
from tollkeeper.capture import faults
from tollkeeper.capture.sinks.prometheus import PrometheusSink, label_name
from tollkeeper.simulator import Simulator

QUESTION: Any = [{"role": "user", "content": "Hello"}]

Start = Callable[..., tollkeeper.Instrumentation]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=1) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> openai.OpenAI:
    return openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any", max_retries=0)


def a_call(**fields: Any) -> Call:
    return Call("id", "openai", "chat", 0, **{"duration": 0.5, "request_model": "gpt-4o-mini", **fields})


def rendered(sink: PrometheusSink) -> str:
    return sink.render()[0].decode()


def test_a_scrape_says_what_the_calls_were(
    instrumented: Start, client: openai.OpenAI, calls: list[Call], simulator: Simulator
) -> None:
    handle = instrumented(prometheus_port=0, service_name="shop")
    with tollkeeper.tags(tenant="acme", user="u-1"):
        client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        list(client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True))
    handle.flush()
    assert handle.metrics_url is not None
    text = get(handle.metrics_url)
    model = {"gen_ai_request_model": "gpt-4o-mini", "gen_ai_response_model": "gpt-4o-mini-2024-07-18"}
    ours = {**model, "gen_ai_provider_name": "openai", "gen_ai_operation_name": "chat"}
    assert total(text, "tollkeeper_calls_total", tenant="acme", error_type="", **ours) == 2
    assert total(text, "gen_ai_client_operation_duration_seconds_count", server_port=str(simulator.port), **ours) == 2
    assert total(text, "gen_ai_client_operation_time_to_first_chunk_seconds_count", **ours) == 1
    for kind in ("input", "output"):
        tokens = sum(getattr(call.usage, f"{kind}_tokens") or 0 for call in calls)
        assert tokens > 0
        assert total(text, "gen_ai_client_token_usage_sum", gen_ai_token_type=kind, **ours) == tokens
        assert total(text, "tollkeeper_tokens_total", tollkeeper_meter=kind, tenant="acme", **ours) == tokens
    cost = sum((call.cost.usd for call in calls if call.cost is not None), Decimal())
    assert cost > 0
    assert total(text, "tollkeeper_cost_usd_total", **ours) == pytest.approx(float(cost), rel=1e-12)
    assert total(text, "target_info", service_name="shop") == 1
    assert "u-1" not in text
    assert "_created" not in text


def test_a_failed_call_is_counted_by_its_error(instrumented: Start, client: openai.OpenAI) -> None:
    handle = instrumented(prometheus=True)
    with pytest.raises(openai.APIStatusError):
        client.with_options(default_headers={"x-simulator": "status=500"}).chat.completions.create(
            model="gpt-4o-mini", messages=QUESTION
        )
    text = handle.render_metrics()[0].decode()
    assert total(text, "tollkeeper_calls_total") == 1
    assert total(text, "tollkeeper_calls_total", error_type="") == 0
    assert total(text, "gen_ai_client_operation_duration_seconds_count", error_type="") == 0


def test_the_app_may_serve_the_metrics_itself(instrumented: Start, client: openai.OpenAI) -> None:
    handle = instrumented(prometheus=True)
    assert handle.metrics_url is None
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    body, content_type = handle.render_metrics()
    assert content_type.startswith("text/plain; version=")
    assert total(body.decode(), "tollkeeper_calls_total") == 1


def test_metrics_that_nobody_asked_for_cannot_be_rendered(instrumented: Start) -> None:
    with pytest.raises(ConfigurationError, match=r"instrument\(prometheus=True\)"):
        instrumented().render_metrics()


def test_openmetrics_leads_from_a_histogram_to_its_trace(
    instrumented: Start, client: openai.OpenAI, calls: list[Call]
) -> None:
    handle = instrumented(prometheus=True, tracer_provider=TracerProvider())
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    handle.flush()
    body, content_type = handle.render_metrics("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    exemplars = [
        sample.exemplar
        for family in parse_openmetrics(body.decode())
        for sample in family.samples
        if family.name == "gen_ai_client_operation_duration_seconds" and sample.exemplar
    ]
    assert [exemplar.labels for exemplar in exemplars] == [{"trace_id": calls[0].trace_id, "span_id": calls[0].span_id}]


def test_the_newest_families_replace_those_of_today() -> None:
    sink = PrometheusSink((), 10, newest=True)
    usage = Usage(input_tokens=5, output_tokens=7)
    sink.record(a_call(usage=usage, time_to_first_chunk=0.1, time_per_chunk=0.01), None)
    sink.record(Call("id", "openai", "embeddings", 0, duration=0.5), None)
    text = rendered(sink)
    assert total(text, "gen_ai_client_inference_duration_seconds_count") == 1
    assert total(text, "gen_ai_client_operation_duration_seconds_count", gen_ai_operation_name="embeddings") == 1
    assert total(text, "gen_ai_client_inference_operation_input_tokens_sum") == 5
    assert total(text, "gen_ai_client_inference_operation_output_tokens_sum") == 7
    assert total(text, "gen_ai_client_inference_time_to_first_chunk_seconds_count") == 1
    assert total(text, "gen_ai_client_inference_time_per_output_chunk_seconds_count") == 1
    assert "gen_ai_client_token_usage" not in text


def test_calls_without_a_price_or_a_count_are_told_apart() -> None:
    sink = PrometheusSink((), 10, newest=False)
    sink.record(a_call(price_status="unpriced", usage=Usage(input_tokens=1), usage_source="partial"), None)
    text = rendered(sink)
    assert total(text, "tollkeeper_unpriced_calls_total") == 1
    assert total(text, "tollkeeper_unmeasured_calls_total", tollkeeper_usage_source="partial") == 1
    assert "tollkeeper_cost_usd" not in text


def test_label_sets_are_bounded_and_nothing_is_lost() -> None:
    sink = PrometheusSink(("tenant",), 3, newest=False)
    for number in range(10):
        cost = Cost(Decimal("0.25"), "overlay")
        usage = Usage(input_tokens=2, output_tokens=3)
        of_one = {"tags": {"tenant": f"t{number}"}, "request_model": f"m{number}"}
        sink.record(a_call(cost=cost, usage=usage, **of_one), None)
    text = rendered(sink)
    assert total(text, "tollkeeper_calls_total") == 10
    assert total(text, "tollkeeper_calls_total", tenant="other", gen_ai_request_model="other") == 7
    assert total(text, "tollkeeper_cost_usd_total") == 2.5
    assert total(text, "tollkeeper_tokens_total", tollkeeper_meter="input") == 20
    assert total(text, "gen_ai_client_token_usage_sum", gen_ai_token_type="output") == 30
    assert total(text, "gen_ai_client_operation_duration_seconds_count") == 10
    assert total(text, "gen_ai_client_operation_duration_seconds_count", gen_ai_request_model="other") == 7


def test_odd_label_values_do_not_spoil_the_page() -> None:
    sink = PrometheusSink(("tenant",), 10, newest=False)
    odd = 'a"b\\c\nd'
    for tenant in ("half \ud800 of a pair", "x" * 10_000, odd):
        sink.record(a_call(tags={"tenant": tenant}), None)
    text = rendered(sink)
    assert total(text, "tollkeeper_calls_total") == 3
    assert total(text, "tollkeeper_calls_total", tenant=odd) == 1
    assert len(text) < 100_000


def test_our_own_faults_are_on_the_page_at_once() -> None:
    step = "stand in a test"
    sink = PrometheusSink((), 10, newest=False)
    before = total(rendered(sink), "tollkeeper_faults_total", tollkeeper_step=step)
    faults.report(step, ValueError("on purpose"))
    assert total(rendered(sink), "tollkeeper_faults_total", tollkeeper_step=step) == before + 1


def test_names_become_labels() -> None:
    assert label_name("gen_ai.request.model") == "gen_ai_request_model"
    assert label_name("cost-center") == "cost_center"
    assert label_name("2fa") == "_2fa"


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (["cost.center", "cost-center"], "'cost-center' would be the label 'cost_center'"),
        (["gen_ai.request.model"], "'gen_ai.request.model' would be the label"),
        (["__name"], "expected a label that does not begin with __"),
    ],
)
def test_tags_that_cannot_be_labels(instrumented: Start, tags: list[str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=f"metric_tags: .*{re.escape(told)}"):
        instrumented(prometheus=True, metric_tags=tags)


def test_a_port_in_use_is_told(instrumented: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"prometheus_port is {port} .*Address already in use"):
            instrumented(prometheus_port=port)


def test_the_page_is_gone_after_uninstrument(instrumented: Start) -> None:
    handle = instrumented(prometheus_port=0)
    url = str(handle.metrics_url)
    get(url)
    handle.uninstrument()
    with pytest.raises(urllib.error.URLError):
        get(url)


def test_without_prometheus_client_the_extra_is_named() -> None:
    program = """
import sys
sys.modules["prometheus_client"] = None
import tollkeeper
try:
    tollkeeper.instrument(prometheus_port=0)
except tollkeeper.ConfigurationError as error:
    print(error)
"""
    assert "pip install 'tollkeeper[prometheus]'" in run(program, environment(""))


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    program = """
import tollkeeper
try:
    tollkeeper.instrument(prometheus=True)
except tollkeeper.ConfigurationError as error:
    print(error)
"""
    env = environment("", PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "absent"))
    assert "PROMETHEUS_MULTIPROC_DIR" in run(program, env)


WEB_APP = f"""
import tollkeeper
instrumentation = tollkeeper.instrument(prometheus_port=int(os.environ["METRICS_PORT"]), service_name="web")
{ASK}
def app(environ, start_response):
    if environ["PATH_INFO"] == "/metrics":
        body, content_type = instrumentation.render_metrics(environ.get("HTTP_ACCEPT", ""))
        start_response("200 OK", [("content-type", content_type)])
        return [body]
    ask()
    start_response("200 OK", [("content-type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


class Web:
    """An app with three gunicorn workers, each request of which makes one call."""

    def __init__(self, url: str, metrics_url: str) -> None:
        self.url = url
        self.metrics_url = metrics_url
        self.answers: Counter[int] = Counter()

    def ask(self, times: int) -> None:
        with ThreadPoolExecutor(6) as threads:
            self.answers.update(int(pid) for pid in threads.map(lambda _: get(self.url), range(times)))

    def ask_until(self, workers: int) -> None:
        while len(self.answers) < workers:
            self.ask(12)
            assert self.answers.total() < 20_000, "some workers never answer"


@contextmanager
def gunicorn(folder: Path, *options: str) -> Iterator[Web]:
    (folder / "web_app.py").write_text("import os\n" + WEB_APP, encoding="utf-8")
    (folder / "numbers").mkdir()
    port, metrics_port = free_port(), free_port()
    with Simulator(seed=1, latency=0.005) as simulator:
        env = environment(
            simulator.base_url("openai"),
            folder,
            METRICS_PORT=str(metrics_port),
            PROMETHEUS_MULTIPROC_DIR=str(folder / "numbers"),
        )
        command = [sys.executable, "-m", "gunicorn", "-w", "3", "-b", f"127.0.0.1:{port}", *options, "web_app:app"]
        server = subprocess.Popen(command, env=env, cwd=folder, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            for line in server.stderr:
                if "Booting worker" in line:
                    break
            yield Web(f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{metrics_port}/metrics")
        finally:
            server.terminate()
            server.communicate(timeout=60)


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["each worker for itself", "preload"])
def test_under_gunicorn_any_scrape_is_the_sum_over_all_workers(tmp_path: Path, options: tuple[str, ...]) -> None:
    with gunicorn(tmp_path, *options) as web:
        web.ask_until(workers=3)
        asked = web.answers.total()
        for text in [get(web.metrics_url) for _ in range(6)] + [get(f"{web.url}metrics")]:
            assert total(text, "tollkeeper_calls_total") == asked
            assert total(text, "gen_ai_client_operation_duration_seconds_count") == asked
            assert total(text, "gen_ai_client_token_usage_count", gen_ai_token_type="input") == asked
            assert total(text, "tollkeeper_cost_usd_total") > 0
            assert text.count("target_info{") == 1

        kill(next(iter(web.answers)), signal.SIGKILL)
        web.ask_until(workers=4)
        assert total(get(web.metrics_url), "tollkeeper_calls_total") == web.answers.total()
