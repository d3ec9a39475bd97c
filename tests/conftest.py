"""What every test may ask for: the recorded traffic and its server, and an instrumentation that collects calls."""

from __future__ import annotations

import gc
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import hypothesis
import pytest

import tollkeeper
from services import postgres, redis
from tollkeeper.capture import faults

if TYPE_CHECKING:
    from cli.telling import Tell
    from services.databases import PostgresDatabases, SqliteTemplate
    from sidecar.api.world import World

SHARED = Path(os.environ.get("TOLLKEEPER_SHARED") or Path(__file__).resolve().parents[2] / "shared")


# A machine that is busy is no fault of what is tested.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def need_shared() -> Path:
    """The folder with the recorded traffic. A user's machine does not have it; CI must."""
    if not (SHARED / "recordings").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"no recordings at {SHARED}: CI must have them")
        pytest.skip(f"no recordings at {SHARED} (they are not part of the repository)")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every client reads all authorities that it is to trust, and no test needs any: one is read in no time."""
    end = "-----END CERTIFICATE-----\n"
    file = tmp_path_factory.mktemp("tls") / "authority.pem"
    file.write_text(Path(certifi.where()).read_text().partition(end)[0] + end)
    os.environ["SSL_CERT_FILE"] = str(file)


@pytest.fixture(scope="module", autouse=True)
def collected_once() -> None:
    """What earlier files have left alive, SDKs and schemas, no collection of this file's garbage goes through again."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.running() as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[redis.RedisServer]:
    with redis.running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_databases(request: pytest.FixtureRequest) -> PostgresDatabases:
    from services.databases import PostgresDatabases  # noqa: PLC0415  the previous SDKs' environment has no SQLAlchemy

    return PostgresDatabases(request.getfixturevalue("postgres_server"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    from services.databases import SqliteTemplate  # noqa: PLC0415  so here

    return SqliteTemplate(tmp_path_factory.mktemp("template"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database without a row, once of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_template").copy_to(tmp_path / "ledger.db")
        return
    with request.getfixturevalue("postgres_databases").migrated() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with nothing in it, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with request.getfixturevalue("postgres_databases").empty() as url:
        yield url


@pytest.fixture
def sqlite_world(sqlite_template: SqliteTemplate, tmp_path: Path) -> Iterator[World]:
    """For what does not depend on the database."""
    from sidecar.api.world import World  # noqa: PLC0415  so here

    made = World(sqlite_template.copy_to(tmp_path / "ledger.db"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def url(world: World) -> Iterator[str]:
    """The API of a module's world, on a real socket."""
    from sidecar.api.serving import serving  # noqa: PLC0415  so here

    with serving(world.app) as address:
        yield address


@pytest.fixture
def tell(world: World, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Runs a command against it, as somebody at a terminal."""
    from cli.telling import telling  # noqa: PLC0415  so here

    return telling(world, url, monkeypatch, capsys)


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
