"""The server itself: what it remembers, keeps to itself, and how it ends."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from tollkeeper.simulator import Simulator
from tollkeeper.simulator.__main__ import parser

BODY = b'{"model" : "gpt-4o-mini",\n "messages":[{"role":"user","content":"h\\u00e9llo \xc3\xa9"}]}'


def test_the_bytes_are_kept_as_they_came(simulator: Simulator):
    httpx.post(simulator.url + "/v1/chat/completions", content=BODY, headers={"content-type": "application/json"})
    arrival = simulator.requests[0]
    assert arrival.body == BODY
    assert arrival.json()["messages"][0]["content"] == "héllo é"
    assert (arrival.method, arrival.path, arrival.status, arrival.finished) == (
        "POST",
        "/v1/chat/completions",
        200,
        True,
    )


def test_a_chunked_body_is_read_too(simulator: Simulator):
    answer = httpx.post(simulator.url + "/v1/chat/completions", content=iter([BODY[:20], BODY[20:]]))
    assert answer.status_code == 200
    assert simulator.requests[0].body == BODY


def test_credentials_are_not_kept(simulator: Simulator):
    headers = dict.fromkeys(("Authorization", "x-api-key", "api-key", "x-goog-api-key", "Cookie"), "secret-7")
    httpx.get(simulator.url + "/v1/models?key=secret-7&page=2", headers=headers)
    assert "secret-7" not in repr(simulator.requests)
    assert simulator.requests[0].target.endswith("&page=2")


def test_only_so_many_requests_are_kept():
    with Simulator(keep=3) as simulator:
        for page in range(5):
            httpx.get(f"{simulator.url}/v1/models?page={page}")
        assert [arrival.target[-1] for arrival in simulator.requests] == ["2", "3", "4"]
        simulator.clear()
        assert simulator.requests == []


def test_one_connection_serves_many_requests_quickly(simulator: Simulator):
    connection = http.client.HTTPConnection("127.0.0.1", simulator.port)
    took = []
    for _ in range(200):
        began = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", BODY, {"content-type": "application/json"})
        assert connection.getresponse().read()
        took.append(time.perf_counter() - began)
    connection.close()
    # The round trip of a quiet machine is 0.2 ms; this only says that nothing waits (Nagle, a poll).
    assert sorted(took)[100] < 0.02


def test_many_at_once_get_ids_of_their_own(simulator: Simulator):
    client = openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any", max_retries=0)

    def ask(_: int) -> str:
        return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}]).id

    with ThreadPoolExecutor(32) as pool:
        ids = list(pool.map(ask, range(200)))
    assert len(set(ids)) == 200


def test_the_same_seed_gives_the_same_answers_and_another_does_not():
    def answer(seed: int) -> bytes:
        with Simulator(seed=seed) as simulator:
            answer = httpx.post(simulator.url + "/v1/chat/completions", content=BODY).json()
            return json.dumps({name: answer[name] for name in ("id", "choices", "usage")}).encode()

    assert answer(1) == answer(1) != answer(2)


def test_a_client_that_goes_away_is_noticed(simulator: Simulator, capfd: pytest.CaptureFixture[str]):
    before = threading.active_count()
    client = openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any", max_retries=0)
    stream = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "x"}],
        stream=True,
        extra_headers={"X-Simulator": "chunk-delay=0.01,chunks=200,output-tokens=400"},
    )
    next(iter(stream))
    stream.close()
    client.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
    assert simulator.requests[0].finished is False
    assert simulator.requests[0].pieces < 200
    assert capfd.readouterr().err == ""


def test_stopping_ends_what_is_still_waiting():
    simulator = Simulator(latency=60).start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.post, simulator.url + "/v1/chat/completions", content=BODY, timeout=30)
        while not simulator.requests:
            time.sleep(0.005)
        began = time.monotonic()
        simulator.stop()
        with pytest.raises(httpx.TransportError):
            waiting.result(timeout=10)
        assert time.monotonic() - began < 5
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", simulator.port), timeout=1)


def test_a_nonsense_length_is_a_bad_request(simulator: Simulator):
    with socket.create_connection(("127.0.0.1", simulator.port)) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n")
        assert b" 400 " in connection.recv(1000)


def test_an_unknown_option_is_an_error():
    with pytest.raises(ValueError, match="latncy"):
        Simulator(latncy=1)


def test_the_command_serves_and_ends_when_told():
    command = [sys.executable, "-m", "tollkeeper.simulator", "--port", "0", "--seed", "1", "--chunk-delay", "0.001"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[2].rstrip(",")
        assert httpx.get(url + "/_simulator/health").json() == {"status": "ok"}
        assert httpx.post(url + "/v1/chat/completions", content=BODY).status_code == 200
        assert [row["match"] for row in httpx.get(url + "/_simulator/requests").json()] == ["made"]
        assert httpx.post(url + "/_simulator/reset").status_code == 200
        assert httpx.get(url + "/_simulator/requests").json() == []
        process.terminate()
        assert process.wait(10) == 0


def test_every_knob_is_a_flag():
    flags = parser().parse_args(["--drop-rate", "0.5", "--error-status", "429,503", "--usage", "none"])
    assert (flags.drop_rate, flags.error_status, flags.usage) == ("0.5", "429,503", "none")


def test_importing_the_simulator_imports_no_package():
    code = (
        "import sys, tollkeeper; before = set(sys.modules);"
        "import tollkeeper.simulator.traffic, tollkeeper.simulator.__main__;"
        "print({name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "{'tollkeeper'}\n"
