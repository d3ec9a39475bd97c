"""A PostgreSQL server of the test run's own: in a temporary folder, on a free port of loopback, stopped at its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.debian import absent, install
from services.ports import free_port

ACCOUNT = "postgres"
"""The server refuses to run as root; then it runs as this user, whom Debian's package makes."""


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    on_path = shutil.which("postgres")
    return found[0].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def running() -> Iterator[str]:
    """The URL of a server's maintenance database. Without a server to run: fails in CI, skips elsewhere."""
    if _binaries() is None:
        install("postgresql")
    binaries = _binaries()
    if binaries is None:
        absent("PostgreSQL", "postgresql")
    as_user = {"user": ACCOUNT, "group": ACCOUNT} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="tollkeeper-postgres-"))
    if as_user:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
    data, port = folder / "data", free_port()
    # What the tests crash is the clients, never the machine; and most of the time would go into waiting for its disk.
    settings = "-c fsync=off -c full_page_writes=off "
    settings += f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=200"
    control = [binaries / "pg_ctl", "-s", "-w", "-D", data, "-l", folder / "log"]
    try:
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", ACCOUNT, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
            check=True, cwd=folder, stdout=subprocess.DEVNULL, **as_user,  # type: ignore[call-overload]
        )  # fmt: skip
        subprocess.run([*control, "-o", settings, "start"], check=True, cwd=folder, **as_user)  # type: ignore[call-overload]
        yield f"postgresql://{ACCOUNT}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, cwd=folder, **as_user)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)
