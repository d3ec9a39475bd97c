"""What a sidecar does by the clock. A task that fails is logged, and runs again at its next turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

log = logging.getLogger("tollkeeper")


class Task(NamedTuple):
    """Something to be done every so many seconds."""

    name: str
    every: float
    run: Callable[[], object]


class Schedule:
    """Runs tasks until it is stopped, each on a thread of its own: one that takes minutes holds up no other, nor what
    else the event loop has threads for. `sleep` is given, so that tests need not wait.
    """

    def __init__(self, tasks: Sequence[Task], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._tasks = tasks
        self._sleep = sleep
        self._running: list[asyncio.Task[None]] = []
        self._threads = ThreadPoolExecutor(max(len(tasks), 1), thread_name_prefix="tollkeeper-clock")

    def start(self) -> None:
        self._running = [asyncio.create_task(self._repeat(task), name=task.name) for task in self._tasks]

    async def stop(self) -> None:
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _repeat(self, task: Task) -> None:
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._threads, task.run)
            except Exception:  # noqa: BLE001  the guard: a task that fails once must run again
                log.exception("the task %r has failed; it runs again in %g s", task.name, task.every)
            await self._sleep(task.every)
