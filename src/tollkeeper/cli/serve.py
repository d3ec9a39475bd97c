"""`tollkeeper serve`: the sidecar. It receives every call, prices it, keeps it, and answers questions about it."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvicorn
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from uvicorn.supervisors import Multiprocess

from tollkeeper.config import SERVE_DEFAULTS, SERVE_OPTIONS, ConfigurationError, ServeSettings, load_serve
from tollkeeper.policy.document import read_policy
from tollkeeper.sidecar.alerting import channels_of_file, report_schedules_of_file
from tollkeeper.sidecar.insight.reconciliation import accounts_of_file
from tollkeeper.sidecar.main import Factory, set_up_logging
from tollkeeper.storage.access_keys import AccessKeys
from tollkeeper.storage.counters.opening import open_counters
from tollkeeper.storage.database import Database
from tollkeeper.storage.policies import PolicyStore

log = logging.getLogger("tollkeeper")

BACKLOG = 2048
SHUTDOWN_SECONDS = 20


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="tollkeeper serve",
        description=__doc__,
        epilog="Each option has an environment variable too, and a place in the file's table [sidecar].",
    )
    flags.add_argument("--config", metavar="FILE", help="a TOML file")
    for option in SERVE_OPTIONS:
        default = getattr(SERVE_DEFAULTS, option.name)
        told = "" if default is None else f" (default: {default})"
        flags.add_argument(f"--{option.name.replace('_', '-')}", help=option.meaning.replace("`", "") + told)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    given = vars(parser().parse_args(arguments))
    try:
        settings = load_serve({name: value for name, value in given.items() if name != "config"}, given["config"])
        set_up_logging(settings.log_level)
        key = _prepare(settings)
        sockets = _listen(settings)
    except (ConfigurationError, ValueError) as error:
        print(f"tollkeeper serve: {error}", file=sys.stderr)
        return 2
    except (OSError, SQLAlchemyError) as error:
        print(f"tollkeeper serve: {_one_line(error)}", file=sys.stderr)
        return 1
    settings = replace(settings, port=sockets[0].getsockname()[1])
    _welcome(settings, key)
    if settings.open_to_all and not settings.listens_on_loopback:
        log.warning("everybody who reaches %s may read and write: require_keys is false", settings.host)
    return _run(settings, sockets)


def _prepare(settings: ServeSettings) -> str | None:
    """Bring the database up to date, and see that counters can be opened. Returns the first key, if this makes it."""
    if settings.workers > 1 and settings.grpc_port == 0:
        raise ValueError("grpc_port is 0; expected a port that all workers can share, or off")
    if settings.counters_url is not None:
        open_counters(settings.counters_url).close()
    if settings.channels is not None:
        channels_of_file(settings.channels)
        report_schedules_of_file(settings.channels)
    accounts_of_file(settings.invoices)
    database = Database(settings.ledger)
    try:
        database.migrate()
        if settings.policy is not None:
            _put_in_force(settings.policy, database)
        needs_keys = not (settings.open_on_loopback or settings.open_to_all)
        first = AccessKeys(database).bootstrap() if needs_keys else None
    finally:
        database.close()
    return first[0] if first else None


def _put_in_force(path: str, database: Database) -> None:
    """Make a file the policy. Where it is already, nothing is changed."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"policy is {path!r}; expected a file that can be read: {error.strerror or error}") from None
    store = PolicyStore(database)
    try:
        policy = read_policy(content, path)
        in_force = store.set(policy, author="file", reason=path).policy()
        named = {limit.name for limit in policy.limits}
        if kept := [limit.name for limit in in_force.limits if limit.name not in named]:
            log.info("%s is in force; quotas that were set by themselves stay: %s", path, ", ".join(kept))
    finally:
        store.close()


def _listen(settings: ServeSettings) -> list[socket.socket]:
    """The sockets, listening already, so that nobody is refused while the workers start."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    tcp = socket.socket(family)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        tcp.bind((settings.host, settings.port))
    except OSError as error:
        raise OSError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    sockets = [tcp]
    if settings.socket is not None:
        sockets.append(_listen_on_path(Path(settings.socket)))
    for each in sockets:
        each.listen(BACKLOG)
        each.set_inheritable(True)
    return sockets


def _listen_on_path(path: Path) -> socket.socket:
    """A unix socket that its owner and group can open. One that was left behind is replaced."""
    local = socket.socket(socket.AF_UNIX)
    if path.is_socket():
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(path))
        except OSError:
            path.unlink()
        else:
            raise OSError(f"cannot listen on {path}: somebody does already")
    try:
        local.bind(str(path))
    except OSError as error:
        raise OSError(f"cannot listen on {path}: {error.strerror}") from None
    path.chmod(0o660)
    return local


def _welcome(settings: ServeSettings, key: str | None) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    print(f"Tollkeeper listens on {url} (OTLP, /api/v1, /metrics)")
    if settings.grpc_port:
        print(f"                   on {host}:{settings.grpc_port} (OTLP over gRPC)")
    if settings.socket is not None:
        print(f"                   on unix://{Path(settings.socket).absolute()}")
    print(f"Ledger: {make_url(settings.ledger).render_as_string(hide_password=True)}")
    print(f"The page: {url}")
    if key is not None:
        print(f"The first key, shown this once: {key}")
        print(f"Sign in with it at {settings.public_url or url}/sign-in; `tollkeeper users create` lets others in.")
    if settings.open_to_all:
        print("No key is asked for, of anybody.")
    elif settings.open_on_loopback:
        print("No key is needed from this machine.")
    print(f"Try: curl {url}/api/v1/stats", flush=True)


def _run(settings: ServeSettings, sockets: list[socket.socket]) -> int:
    board = tempfile.TemporaryDirectory(prefix="tollkeeper-") if settings.workers > 1 else None
    config = uvicorn.Config(
        Factory(settings, board.name if board else None),
        factory=True,
        workers=settings.workers,
        access_log=False,
        log_config=None,
        log_level="warning",
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = uvicorn.Server(config)
    # The server ends well at these, and then raises them again for whoever started it.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _end)
    try:
        if board is None:
            server.run(sockets=sockets)
        else:
            Multiprocess(config, sockets).run()
    finally:
        if board is not None:
            board.cleanup()
        if settings.socket is not None:
            Path(settings.socket).unlink(missing_ok=True)
    return 0 if board is not None or server.started else 1


def _end(*_: object) -> None:
    # Between making its coroutine and beginning it, the server would have Python complain of it on the way out.
    warnings.simplefilter("ignore", RuntimeWarning)
    sys.exit(0)


def _one_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().replace("\n", " ")
