"""What every test may ask for: the recorded traffic and its server, and an instrumentation that collects calls."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tollkeeper
from tollkeeper.capture import faults

SHARED = Path(os.environ.get("TOLLKEEPER_SHARED") or Path(__file__).resolve().parents[2] / "shared")


def need_shared() -> Path:
    """The folder with the recorded traffic. A user's machine does not have it; CI must."""
    if not (SHARED / "recordings").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"no recordings at {SHARED}: CI must have them")
        pytest.skip(f"no recordings at {SHARED} (they are not part of the repository)")
    return SHARED


@pytest.fixture(scope="session")
def shared() -> Path:
    return need_shared()


@pytest.fixture(scope="session")
def replay_url(shared: Path) -> Iterator[str]:
    """A server that answers with the recordings; a request picks one with the header `X-Recording`."""
    spec = importlib.util.spec_from_file_location("replay_server", shared / "tools" / "replay_server.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.make_server(["--port", "0", "--recordings", str(shared / "recordings")])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    host, port = server.server_address[:2]
    yield f"http://{host}:{port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def calls() -> list[tollkeeper.Call]:
    return []


@pytest.fixture
def instrumented(calls: list[tollkeeper.Call]) -> Iterator[Callable[..., tollkeeper.Instrumentation]]:
    """`instrument(...)` with its calls in `calls`, undone at the end; no fault of ours may have happened."""
    before = faults.counts()
    handles: list[tollkeeper.Instrumentation] = []

    def start(**options: Any) -> tollkeeper.Instrumentation:
        handles.append(tollkeeper.instrument(on_call=calls.append, **options))
        return handles[-1]

    yield start
    tollkeeper.uninstrument()
    assert faults.counts() == before, "the instrumentation has failed somewhere; see the log"
