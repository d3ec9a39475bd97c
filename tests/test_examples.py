"""Every file in examples/ runs as it is, in a process of its own, against the simulator, and says what it should."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from capture.processes import SOURCE, environment, get, run, total
from services.ports import free_port
from tollkeeper.simulator import Simulator

EXAMPLES = SOURCE.parent / "examples"
LONGEST_EXAMPLE = 40
SETTINGS = ("OPENAI_", "ANTHROPIC_", "AZURE_", "OLLAMA_")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
URL = re.compile(r"http://127\.0\.0\.1:\d+")
MINI_INPUT, MINI_OUTPUT = Decimal("0.15"), Decimal("0.60")
"""gpt-4o-mini, US dollars a million tokens."""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=1) as running:
        yield running


@pytest.fixture
def env(simulator: Simulator) -> dict[str, str]:
    """What the SDKs read, and nothing of the machine's own."""
    clean = environment("").items()
    kept = {name: text for name, text in clean if not name.startswith(SETTINGS) and name.lower() not in PROXIES}
    return {
        **kept,
        "PYTHONIOENCODING": "utf-8",
        "OPENAI_BASE_URL": simulator.base_url("openai"),
        "OPENAI_API_KEY": "any",
        "ANTHROPIC_BASE_URL": simulator.base_url("anthropic"),
        "ANTHROPIC_API_KEY": "any",
        "OLLAMA_HOST": simulator.base_url("ollama"),
    }


def example(name: str, env: Mapping[str, str]) -> str:
    return run([sys.executable, str(EXAMPLES / name)], env)


def mini_cost(tokens_in: str, tokens_out: str) -> Decimal:
    return (int(tokens_in) * MINI_INPUT + int(tokens_out) * MINI_OUTPUT) / 1_000_000


@contextmanager
def serving(command: list[str], env: Mapping[str, str]) -> Iterator[str]:
    """The URL of a web server that this command runs, which says so in its log."""
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=EXAMPLES,
        env={**env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            said = []
            for line in server.stdout:
                said.append(line)
                if found := URL.search(line):
                    yield found[0]
                    break
            else:
                pytest.fail("the server has ended: " + "".join(said))
        finally:
            server.terminate()
            server.communicate(timeout=60)


def ask(url: str, tenant: str) -> str:
    request = urllib.request.Request(url, headers={"X-Tenant": tenant})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())


def test_every_example_is_short_and_has_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_EXAMPLE, path.name
        assert path.name in tests or path.stem in tests, f"nothing runs {path.name}"


def test_quickstart(env: dict[str, str]) -> None:
    printed = re.search(r"gpt-4o-mini-\S+: (\d+) tokens in, (\d+) out, \$([\d.]+)", example("quickstart.py", env))
    assert printed is not None
    assert Decimal(printed[3]) == mini_cost(printed[1], printed[2]) > 0


def test_streaming(env: dict[str, str], simulator: Simulator) -> None:
    said = example("streaming.py", env)
    assert re.findall(r"(\S+): \d+ chunks, usage by (\w+), \$[\d.]+(, left early)?\n", said) == [
        ("gpt-4o-mini", "provider", ""),
        ("claude-haiku-4-5", "provider", ""),
        ("gpt-4o-mini", "estimated", ", left early"),
    ]
    assert "and that is enough" in said
    assert "include_usage" in simulator.requests[0].body.decode()


def test_async_batch(env: dict[str, str], simulator: Simulator) -> None:
    said = example("async_batch.py", env)
    sums = {tenant: (calls, Decimal(usd)) for tenant, calls, usd in re.findall(r"(\w+): (\d) calls, \$([\d.]+)", said)}
    assert {tenant: calls for tenant, (calls, _) in sums.items()} == {"acme": "3", "globex": "2"}
    assert all(usd > 0 for _, usd in sums.values())
    assert len(simulator.requests) == 5


def test_attribution(env: dict[str, str]) -> None:
    assert example("attribution.py", env).splitlines() == [
        "feature=greeting service=shop tenant=nobody",
        "experiment=blue feature=greeting service=shop tenant=acme user=u-17",
        "feature=farewell service=shop tenant=acme user=u-18",
    ]


def test_custom_prices(env: dict[str, str]) -> None:
    said = example("custom_prices.py", env)
    house = re.search(
        r"house-model-7b: \$([\d.]+) by overlay examples 2026-11\n  input: (\d+) .*\n  output: (\d+) ", said
    )
    assert house is not None
    assert Decimal(house[1]) == (int(house[2]) * Decimal("0.20") + int(house[3]) * Decimal("0.60")) / 1_000_000
    for model in ("gpt-4o-mini", "team-a-chat"):
        listed = re.search(rf"{model}: \$([\d.]+) by .*examples 2026-11\n  input: (\d+) .*\n  output: (\d+) ", said)
        assert listed is not None
        assert Decimal(listed[1]) == mini_cost(listed[2], listed[3]) * Decimal("0.9")
    assert said.endswith("nobody-knows-this-one: unpriced\n")


def test_azure(env: dict[str, str], simulator: Simulator) -> None:
    del env["OPENAI_BASE_URL"]
    env |= {"AZURE_OPENAI_ENDPOINT": simulator.base_url("azure"), "AZURE_OPENAI_API_KEY": "any"}
    said = example("azure.py", {**env, "OPENAI_API_VERSION": "2024-10-21"})
    assert re.fullmatch(
        r"azure\.ai\.openai gpt-4o-mini is gpt-4o-mini-2024-07-18: \d+ tokens out, \$0\.0000\d+\n", said
    )
    assert simulator.requests[0].path == "/openai/deployments/gpt-4o-mini/chat/completions"


def test_openrouter(env: dict[str, str], simulator: Simulator) -> None:
    # As a proxy, the simulator answers for the real host, by which Tollkeeper knows the service.
    env |= {"OPENAI_BASE_URL": "http://openrouter.ai/api/v1", "HTTP_PROXY": simulator.url, "http_proxy": simulator.url}
    said = example("openrouter.py", env).splitlines()
    printed = [re.fullmatch(r"openrouter (\S+): \d+ in, \d+ out, \$0\.000\d+ by \w+", line) for line in said]
    assert [line and line[1] for line in printed] == ["openai/gpt-4o-mini", "anthropic/claude-haiku-4.5"]


def test_ollama_local(env: dict[str, str]) -> None:
    ends = re.findall(r"ollama llama3\.2: \d+ tokens out, \$0, free", example("ollama_local.py", env))
    assert len(ends) == 2


def test_zero_code(env: dict[str, str], tmp_path: Path) -> None:
    # The entry point as an installation makes it known: the tests also run from a working tree.
    points = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    metadata = tmp_path / "tollkeeper-9.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tollkeeper\nVersion: 9\n")
    lines = [f"{name} = {target}" for name, target in points["opentelemetry_instrumentor"].items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[opentelemetry_instrumentor]", *lines]))
    env |= {"PYTHONPATH": f"{tmp_path}:{SOURCE}", "TOLLKEEPER_LOG_CALLS": "true", "OTEL_TRACES_EXPORTER": "none"}
    env |= {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    command = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    said = run([command, sys.executable, str(EXAMPLES / "zero_code.py")], env)
    logged = re.findall(r"tollkeeper\.calls: (.+) \| (\d+) tokens \| \$(\S+) \| \d+ ms", said)
    assert [what for what, _, _ in logged] == ["chat gpt-4o-mini"] * 2 + ["embeddings text-embedding-3-small"]
    assert all(int(tokens) > 0 for _, tokens, _ in logged)


def test_ladder(env: dict[str, str]) -> None:
    said = example("ladder.py", env).splitlines()
    assert [line for line in said if not line.startswith("limit")] == [
        *["gpt-4o-2024-08-06, 20 tokens"] * 2,
        *["gpt-4o-mini-2024-07-18, 20 tokens"] * 2,
        *["gpt-4o-mini-2024-07-18, 8 tokens"] * 2,
        "of low priority: shed, by 'daily'",
        "chat: gpt-4o-mini-2024-07-18, 8 tokens",
        "chat: gpt-4o-mini-2024-07-18, 8 tokens",
        "chat: used_up, by 'daily throttle 70'",
        "search: gpt-4o-mini-2024-07-18, 8 tokens",
        "chat: step, by 'daily'",
    ]
    assert "limit 'daily' for tenant 'acme' is at 10 %: alert" in said


def test_emergency(env: dict[str, str]) -> None:
    said = example("emergency.py", env)
    *before, last = [line for line in said.splitlines() if line.startswith(("normal", "emergency"))]
    assert last.startswith("normal: gpt-4o-2024")
    assert {line for line in before if line.startswith("normal")} == {"normal: gpt-4o-2024-08-06"}
    assert [line for line in before if line.startswith("emergency")] == [
        "emergency, normal: emergency, by 'emergency'",
        "emergency, high: gpt-4.1-nano-2025-04-14",
        "emergency, high: used_up, by 'emergency throttle'",
        "emergency, critical: gpt-4.1-nano-2025-04-14",
    ]


def test_failover(env: dict[str, str], simulator: Simulator) -> None:
    said = example("failover.py", env).splitlines()
    answers = [line.removeprefix("gpt-4o is answered by ") for line in said if line.startswith("gpt-4o is")]
    assert answers == ["gpt-4o-2024-08-06", *["gpt-4o-mini-2024-07-18"] * 6]
    assert "openai/gpt-4o-mini: 6 calls, 100% answered, closed" in said
    assert "house/house-model-7b: 5 calls, 0% answered, open" in said, "the sixth was not tried any more"
    assert (
        "the cheapest good one is gpt-4o, for $0.00675;"
        " left out: {'house:house-model-7b': 'has failed again and again just now'}"
    ) in said
    assert len(simulator.requests) == 7


def test_fastapi_app(env: dict[str, str]) -> None:
    with serving(["uvicorn", "fastapi_app:app", "--port", "0"], env) as url:
        assert get(f"{url}/ask?tenant=acme")
        assert get(f"{url}/tell?tenant=globex").endswith(".")
        text = get(f"{url}/metrics")
    assert total(text, "tollkeeper_calls_total", tenant="acme", feature="ask") == 1
    assert total(text, "tollkeeper_calls_total", tenant="globex", feature="tell") == 1
    assert total(text, "tollkeeper_cost_usd_total", tenant="globex") > 0
    assert total(text, "tollkeeper_calls_total") == 2
    assert 'service_name="fastapi-example"' in text


def test_flask_app(env: dict[str, str]) -> None:
    port = str(free_port())
    with serving(
        ["flask", "--app", "flask_app", "run", "--port", "0"], {**env, "TOLLKEEPER_PROMETHEUS_PORT": port}
    ) as url:
        for tenant in ("acme", "acme", "globex"):
            assert ask(f"{url}/ask", tenant)
        text = get(f"http://127.0.0.1:{port}/metrics")
    assert total(text, "tollkeeper_calls_total", tenant="acme", feature="ask") == 2
    assert total(text, "tollkeeper_cost_usd_total", tenant="globex") > 0


@pytest.mark.parametrize(
    "command",
    [["uvicorn", "denied_fastapi:app", "--port", "0"], ["flask", "--app", "denied_flask", "run", "--port", "0"]],
    ids=["denied_fastapi", "denied_flask"],
)
def test_denied_apps(command: list[str], env: dict[str, str], simulator: Simulator) -> None:
    """As many clients at once as curl is started: three are answered, whichever way they ask, and nobody else."""
    if shutil.which("curl") is None or shutil.which("xargs") is None:
        assert "CI" not in os.environ, "CI must have curl and xargs"
        pytest.skip("no curl or no xargs here")
    with serving(command, env) as url:
        asking = f"curl -s -o /dev/null -w '%{{http_code}}\\n' -H 'X-Tenant: acme' {url}/{{}}"
        paths = "\n".join(["ask", "tell"] * 10)
        said = subprocess.run(
            ["xargs", "-P", "8", "-I", "{}", "sh", "-c", asking], input=paths, capture_output=True, text=True
        ).stdout.split()
        assert Counter(said) == {"200": 3, "429": 17}
        assert ask(f"{url}/ask", "globex")
        for path in ("ask", "tell"):
            with pytest.raises(urllib.error.HTTPError) as denied:
                ask(f"{url}/{path}", "acme")
            assert 0 < int(denied.value.headers["Retry-After"]) <= 86_400
            assert json.loads(denied.value.read())["detail"] == "Rate limit exceeded: requests_per_day"
    assert len(simulator.requests) == 4


def test_gunicorn_app(env: dict[str, str]) -> None:
    with serving(["gunicorn", "-b", "127.0.0.1:0", "-c", "gunicorn.conf.py", "gunicorn_app:app"], env) as url:
        for tenant in ("acme", "globex") * 10:
            assert ask(url, tenant)
        for _ in range(5):
            text = ask(f"{url}/metrics", "nobody")
            assert total(text, "tollkeeper_calls_total", tenant="acme") == 10
            assert total(text, "tollkeeper_calls_total") == 20
    assert total(text, "tollkeeper_cost_usd_total", tenant="globex") > 0
