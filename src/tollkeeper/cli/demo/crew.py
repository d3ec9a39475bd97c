"""Runs the app: each job at its time, half of them in threads and half of them in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from time import monotonic

from tollkeeper.cli.demo.app import App
from tollkeeper.cli.demo.plan import Job

THREADS = 24


class Crew:
    """Begins jobs on a thread of its own."""

    def __init__(self, app: App, jobs: Iterable[Job], began: Callable[[Job], None]) -> None:
        self._app = app
        self._jobs = jobs
        self._began = began
        self._pool = ThreadPoolExecutor(THREADS, "demo-app")
        self._loop = asyncio.new_event_loop()
        self._looping = threading.Thread(target=self._loop.run_forever, name="demo-loop", daemon=True)
        self._working = threading.Thread(target=self._work, name="demo-crew", daemon=True)
        self._stopping = threading.Event()
        self._open: set[Future[None]] = set()
        self._lock = threading.Lock()
        self.sync_calls = self.async_calls = 0
        self.failures: list[BaseException] = []
        """What no accident explains. Should be empty."""

    @property
    def in_flight(self) -> int:
        return len(self._open)

    def start(self) -> None:
        self._looping.start()
        self._working.start()

    def wait(self, seconds: float) -> bool:
        """Wait until the last job has begun. False: that has not come to pass within `seconds`."""
        self._working.join(seconds)
        return not self._working.is_alive()

    def stop(self, seconds: float) -> bool:
        """Begin no more, and wait for the calls in flight. False: some have not ended in time."""
        self._stopping.set()
        self._working.join()
        with self._lock:
            still = list(self._open)
        all_ended = not wait(still, seconds).not_done
        asyncio.run_coroutine_threadsafe(self._app.close(), self._loop).result(seconds)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._looping.join()
        self._pool.shutdown(wait=all_ended, cancel_futures=True)
        return all_ended

    def _work(self) -> None:
        start = monotonic()
        for job in self._jobs:
            if self._stopping.wait(max(0.0, start + job.at - monotonic())):
                return
            self._began(job)
            self._begin(job)

    def _begin(self, job: Job) -> None:
        if job.is_async:
            self.async_calls += 1
            future = asyncio.run_coroutine_threadsafe(self._app.ask_async(job), self._loop)
        else:
            self.sync_calls += 1
            future = self._pool.submit(self._app.ask, job)
        with self._lock:
            self._open.add(future)
        future.add_done_callback(lambda done: self._ended(job, done))

    def _ended(self, job: Job, future: Future[None]) -> None:
        with self._lock:
            self._open.discard(future)
        failure = None if future.cancelled() else future.exception()
        if failure is not None and job.accident is None:
            self.failures.append(failure)
