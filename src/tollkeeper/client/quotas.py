"""Quotas of configurations, watched: handlers are called when one comes to its threshold.

    quotas = tollkeeper.Quotas()
    quotas.add_alert_handler(lambda config_id, quota: print(config_id, quota.usage_percent))
    await quotas.set_quota_limit("openai-prod", 100_000, alert_threshold_percent=80)
    await quotas.start_monitoring(interval=60)

What is used need not be told: the sidecar has every call. Without asyncio, `tollkeeper.Client` has `quotas`, `quota`,
`set_quota`, `reset_quota`, `remove_quota` and `claim_alert`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from tollkeeper.client import AsyncClient
from tollkeeper.client.errors import ApiError, NotFound
from tollkeeper.client.standings import QuotaStatus

log = logging.getLogger("tollkeeper")

HOUR = 3600

AlertHandler = Callable[[str, QuotaStatus], Any]
"""Is given a configuration and how its quota stands. A coroutine function is awaited; another one runs in a thread."""


class Quotas:
    """Sets, reads and watches the quotas of a sidecar. An async context manager, or await `aclose()`.

    `url` and `key` are as for `Client`. `alert_interval`: each quota is told of once in so many seconds, by one of all
    the processes that watch it. All but the handlers' methods raise `ApiError`.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        alert_interval: int = HOUR,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = AsyncClient(url, key)
        self._alert_interval = alert_interval
        self._sleep = sleep
        self._handlers: list[AlertHandler] = []
        self._monitoring: asyncio.Task[None] | None = None

    def add_alert_handler(self, handler: AlertHandler) -> None:
        """Have it called when a quota comes to its threshold."""
        self._handlers.append(handler)

    def remove_alert_handler(self, handler: AlertHandler) -> None:
        """Have it called no more. Raises `ValueError` if it is none of the handlers."""
        self._handlers.remove(handler)

    async def set_quota_limit(self, config_id: str, quota_limit: int, alert_threshold_percent: float = 80.0) -> None:
        """Let a configuration use so many tokens a month. Raises `ValueError` for a threshold beyond 0 to 100."""
        if not 0 <= alert_threshold_percent <= 100:
            raise ValueError(f"alert_threshold_percent is {alert_threshold_percent!r}; expected a number from 0 to 100")
        await self._client.set_quota(config_id, quota_limit, alert_threshold_percent=alert_threshold_percent)

    async def remove_quota_limit(self, config_id: str, reason: str | None = None) -> None:
        """Take a configuration's quota away. Raises `NotFound` if it has none of its own."""
        await self._client.remove_quota(config_id, reason=reason)

    async def reset_quota(self, config_id: str, reason: str | None = None) -> None:
        """Begin a configuration's usage anew, within its period."""
        await self._client.reset_quota(config_id, reason=reason)

    async def get_quota_status(self, config_id: str) -> dict[str, Any] | None:
        """How a quota stands, times as ISO 8601; `None` for a configuration without a quota and without calls."""
        try:
            return _plain(await self._client.quota(config_id))
        except NotFound:
            return None

    async def get_all_quota_statuses(self) -> list[dict[str, Any]]:
        """How all quotas stand."""
        return [_plain(quota) for quota in (await self._client.quotas()).quotas]

    async def check(self) -> list[str]:
        """Look at all quotas once, and tell the handlers. Returns the configurations that were told of."""
        told = []
        for quota in (await self._client.quotas()).quotas:
            if quota.alert_triggered and self._handlers:
                claim = await self._client.claim_alert(quota.config_id, interval_seconds=self._alert_interval)
                if claim.claimed:
                    await self._tell(quota)
                    told.append(quota.config_id)
        return told

    async def start_monitoring(self, interval: float = 60) -> None:
        """Check every `interval` seconds, beginning now, until `stop_monitoring`. Harmless when it is going on.

        Raises `ValueError` for what is no number of seconds, or not more than zero.
        """
        if not isinstance(interval, int | float) or isinstance(interval, bool) or not 0 < interval < math.inf:
            raise ValueError(f"interval is {interval!r}; expected seconds, more than 0")
        if self._monitoring is None or self._monitoring.done():
            self._monitoring = asyncio.create_task(self._monitor(interval), name="tollkeeper-quotas")

    async def stop_monitoring(self) -> None:
        """Check no more. Harmless when nothing is going on."""
        if self._monitoring is not None:
            self._monitoring.cancel()
            await asyncio.gather(self._monitoring, return_exceptions=True)
            self._monitoring = None

    async def aclose(self) -> None:
        """Stop, and close connections."""
        await self.stop_monitoring()
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()

    async def _monitor(self, interval: float) -> None:
        while True:
            try:
                await self.check()
            except ApiError as error:
                log.warning("the quotas cannot be checked, and are tried again in %g s: %s", interval, error)
            await self._sleep(interval)

    async def _tell(self, quota: QuotaStatus) -> None:
        for handler in tuple(self._handlers):
            try:
                if inspect.iscoroutinefunction(handler):
                    await handler(quota.config_id, quota)
                else:
                    # It may send mail, and wait for that.
                    answer = await asyncio.to_thread(handler, quota.config_id, quota)
                    if inspect.isawaitable(answer):
                        await answer
            except Exception:  # noqa: BLE001  the boundary: the other handlers are to be told
                log.exception("an alert handler has failed for %r", quota.config_id)


def _plain(quota: QuotaStatus) -> dict[str, Any]:
    values = {each.name: getattr(quota, each.name) for each in fields(quota)}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
