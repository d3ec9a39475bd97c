"""That the process is about to end, for what would keep it: the server waits until its last answer is sent."""

from __future__ import annotations

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Whether the process has been asked to end."""

    def __init__(self) -> None:
        self.is_near = False

    def watch(self) -> None:
        """Look at the signals before the server's handlers do. Signals are the main thread's; nothing, on another."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._watch(number)

    def _watch(self, number: signal.Signals) -> None:
        next_one = signal.getsignal(number)

        def told(said: int, frame: FrameType | None) -> None:
            self.is_near = True
            if callable(next_one):
                next_one(said, frame)

        signal.signal(number, told)
