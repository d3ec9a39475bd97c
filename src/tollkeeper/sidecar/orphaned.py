"""A worker whose parent is gone ends too: it would keep the ports, and nobody could start the sidecar again."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time

GRACE_SECONDS = 30.0
"""A worker that has not ended in order by then is ended."""

log = logging.getLogger("tollkeeper")


def end_with_parent() -> None:
    """Watch the process that has started this one, on a thread. Nothing, in a process that is no worker."""
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_wait, name="tollkeeper-parent", daemon=True).start()


def _wait() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    # By a pipe that the system closes with the parent, so that nothing has to be asked again and again.
    parent.join()
    log.error("the process that had started this worker is gone; it ends too")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
