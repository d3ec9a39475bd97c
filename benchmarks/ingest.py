"""How much one sidecar process takes in: OTLP over HTTP, from bodies that were encoded before, to the SQLite ledger.

    python benchmarks/ingest.py [--records 200000] [--batch 500] [--connections 8] [--users 200] [--ledger URL]

Every record is a priced call with all columns filled, of one of so many users and their tenants, features and models.
A batch is acknowledged when it is on the disk; one that is turned away is sent again when the answer says so. Then ten
times the load (as many connections more), to see that memory does not grow with it; and, as the floor, a server of the
same kind that parses each body and inserts its texts, unread, into a table without an index: what receiving and SQLite
take by themselves. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ledger import calls
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tollkeeper.telemetry import record

SOURCE = Path(__file__).resolve().parents[1] / "src"
HEADERS = {"content-type": "application/x-protobuf"}
SECONDS = 120.0
TICKS = os.sysconf("SC_CLK_TCK")


class Figures(NamedTuple):
    """Of one run. `cpu` is the server's, in seconds; `resident` its most memory, in bytes."""

    records: int
    seconds: float
    cpu: float
    latencies: list[float]
    resident: int

    def row(self, name: str) -> str:
        ordered = sorted(self.latencies)
        middle, late = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        return (
            f"| {name} | {self.records / self.seconds:,.0f} | {self.cpu / self.records * 1e6:.0f} "
            f"| {middle * 1e3:.0f} | {late * 1e3:.0f} | {self.resident / 2**20:.0f} |"
        )


def bodies(records: int, batch: int, users: int) -> Iterator[bytes]:
    """OTLP requests of so many calls each."""
    made = iter(calls(records, random.Random(1), users))
    while some := list(islice(made, batch)):
        request = ExportLogsServiceRequest()
        scope_logs = request.resource_logs.add().scope_logs.add()
        for entry in some:
            one = scope_logs.log_records.add(time_unix_nano=entry.call.started_at, event_name=record.CALL_EVENT)
            one.body.string_value = record.encode(entry.call)
        yield request.SerializeToString()


class Server:
    """A process that takes OTLP in."""

    def __init__(self, command: list[str], port: int) -> None:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        self._port = port
        self._resident = 0
        until = time.monotonic() + SECONDS
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"{command[1:4]} does not answer on port {port}")
            time.sleep(0.05)

    def load(self, sent: list[bytes], batch: int, connections: int) -> Figures:
        """Send bodies over so many connections, each of which waits for its acknowledgement."""
        waiting, latencies, ended = iter(sent), list[float](), threading.Event()
        lock = threading.Lock()

        def send() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
            while True:
                with lock:
                    body = next(waiting, None)
                if body is None:
                    return
                began = time.perf_counter()
                while wait := self._send(connection, body):
                    time.sleep(wait)
                    began = time.perf_counter()
                latencies.append(time.perf_counter() - began)

        watcher = threading.Thread(target=self._watch, args=(ended,), daemon=True)
        watcher.start()
        before, began = self._cpu(), time.perf_counter()
        with ThreadPoolExecutor(connections) as pool:
            senders = [pool.submit(send) for _ in range(connections)]
        seconds = time.perf_counter() - began
        ended.set()
        watcher.join()
        for sender in senders:
            sender.result()
        return Figures(len(sent) * batch, seconds, self._cpu() - before, latencies, self._resident)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _send(self, connection: http.client.HTTPConnection, body: bytes) -> int:
        """How many seconds to wait before it is sent again; 0 when it was taken."""
        connection.request("POST", "/v1/logs", body, HEADERS)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 503):
            raise RuntimeError(f"HTTP {answer.status} from port {self._port}")
        return 0 if answer.status == 200 else int(answer.headers["retry-after"])

    def _answers(self) -> bool:
        try:
            return self._send(http.client.HTTPConnection("127.0.0.1", self._port), b"") == 0
        except OSError:
            return False

    def _watch(self, ended: threading.Event) -> None:
        self._resident = 0
        while not ended.wait(0.1):
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
            self._resident = max(self._resident, pages * os.sysconf("SC_PAGE_SIZE"))

    def _cpu(self) -> float:
        user, system = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS


@contextmanager
def serving(*command: str, port: int) -> Iterator[Server]:
    server = Server([sys.executable, *command], port)
    try:
        yield server
    finally:
        server.end()


def floor(port: int, file: str) -> None:
    """Parse, insert, commit, acknowledge."""
    import sqlite3  # noqa: PLC0415

    import uvicorn  # noqa: PLC0415

    ledger = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    ledger.execute("PRAGMA journal_mode=WAL")
    ledger.execute("PRAGMA synchronous=FULL")
    ledger.execute("CREATE TABLE IF NOT EXISTS calls (text TEXT)")
    writer = ThreadPoolExecutor(1)

    def write(body: bytes) -> None:
        request = ExportLogsServiceRequest.FromString(body)
        ledger.execute("BEGIN")
        for resource_logs in request.resource_logs:
            for scope_logs in resource_logs.scope_logs:
                texts = [(one.body.string_value,) for one in scope_logs.log_records]
                ledger.executemany("INSERT INTO calls VALUES (?)", texts)
        ledger.execute("COMMIT")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        import asyncio  # noqa: PLC0415

        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await asyncio.get_running_loop().run_in_executor(writer, write, body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    uvicorn.run(app, port=port, log_level="error", lifespan="off")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--port", type=int, default=43180)
    parser.add_argument("--ledger", help="a database; a new SQLite file otherwise")
    parser.add_argument("--floor", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        floor(options.port, options.floor)
        return
    print(f"{options.users} users; batches of {options.batch}; {options.connections} connections\n")
    print("| | records/s | CPU µs a record | median ms | p99 ms | MiB |\n| --- | --: | --: | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as folder:
        made = list(bodies(options.records * 2, options.batch, options.users))
        half = len(made) // 2
        ledger = options.ledger or f"sqlite:///{folder}/ledger.db"
        serve = ("-m", "tollkeeper", "serve", "--grpc-port", "off", "--ledger", ledger)
        with serving(*serve, "--port", str(options.port), port=options.port) as sidecar:
            for name, some, times in (("sidecar", made[:half], 1), ("ten times the load", made[half:], 10)):
                figures = sidecar.load(some, options.batch, options.connections * times)
                print(figures.row(name), flush=True)
        least_command = (__file__, "--floor", f"{folder}/floor.db", "--port", str(options.port))
        with serving(*least_command, port=options.port) as least:
            print(least.load(made[:half], options.batch, options.connections).row("floor"), flush=True)


if __name__ == "__main__":
    main()
