"""Ports for servers that the tests start."""

from __future__ import annotations

import os
import random
import socket
from itertools import count

_FIRST, _EACH, _WORKERS = 10_000, 2_500, 8
"""Below 32 768, where Linux begins to take the ports of outgoing connections from."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_tried = count(random.randrange(_EACH))


def free_port() -> int:
    """One that nobody has, and that no outgoing connection and no test beside this one takes before the server does."""
    while True:
        port = _FIRST + _worker * _EACH + next(_tried) % _EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
