"""The demo's alerts: the sidecar tells a webhook, and this is what listens there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

ALERT_SECONDS = 15.0
"""The sidecar looks every few seconds; what it finds is here soon after."""
STYLES = {"info": "cyan", "warning": "yellow", "critical": "bold red", "emergency": "bold white on red"}

Told = dict[str, Any]


class Listener:
    """A web server on loopback that remembers what it is told, for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._take))
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"

    def __enter__(self) -> Listener:
        threading.Thread(target=self._server.serve_forever, name="alerts", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def channels(self) -> str:
        """The channels file of a sidecar that tells this listener."""
        return f'[channels.demo]\nkind = "webhook"\nurl = "{self.url}"\n'

    def wait_for(self, limit: str, level: int, seconds: float = ALERT_SECONDS) -> int:
        """The highest percentage of a limit that was told of, once it is `level`, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._highest(limit) >= level, seconds)
            return self._highest(limit)

    def _highest(self, limit: str) -> int:
        return max((int(one["level"]) for one in self.told if one.get("limit") == limit), default=0)

    def _take(self, told: Told) -> None:
        with self._changed:
            self.told.append(told)
            self._changed.notify_all()


def show(console: Console, listener: Listener) -> None:
    """What the webhook was told, in its order."""
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title="What a webhook was told", title_justify="left", title_style="bold"
    )
    for name in ("", "Alert", "Who has used it"):
        table.add_column(name)
    for one in listener.told:
        used = [line.removeprefix("- ") for line in one["message"].splitlines() if line.startswith("- ")]
        style = STYLES.get(one["severity"], "")
        table.add_row(f"[{style}]{one['severity']}[/]", one["title"], ", ".join(used))
    console.print(table)


def _handler(take: Callable[[Told], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """The terminal is the demo's."""

    return Handler
