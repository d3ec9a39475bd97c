"""How finished calls leave for the sidecar or the ledger: the spool that the options ask for, and its end."""

from __future__ import annotations

import atexit
import hashlib
import multiprocessing.process
import multiprocessing.util
import os
import platform
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tollkeeper.config import ConfigurationError, Settings, state_folder
from tollkeeper.version import __version__

if TYPE_CHECKING:
    from tollkeeper.capture.courier import Courier
    from tollkeeper.capture.key_report import KeyReport
    from tollkeeper.capture.prices import PriceFeed
    from tollkeeper.pricing import Catalog
    from tollkeeper.storage.spool import Destination, Spool

END_SECONDS = 5.0
"""How long the end of a process waits for what is still to be delivered. A sidecar that is away is not waited for."""


def check_ledger(url: str) -> None:
    """Raises `ValueError` for a ledger that cannot be opened here."""
    try:
        from tollkeeper.storage.database import Database  # noqa: PLC0415  needs SQLAlchemy
    except ModuleNotFoundError as missing:
        raise ValueError(f"{missing.name} to be installed: pip install 'tollkeeper[ledger]'") from None
    try:
        Database(url).close()
    except ModuleNotFoundError as missing:
        raise ValueError(f"{missing.name} to be installed: pip install 'tollkeeper[postgres]'") from None


def spool(settings: Settings, resource: Mapping[str, str]) -> Spool | None:
    """The spool that is asked for, if there is one. Raises `ConfigurationError` where its folder cannot be."""
    where = settings.sidecar or settings.ledger
    if where is None:
        return None
    try:
        from tollkeeper.storage.spool import Spool  # noqa: PLC0415  only where one is asked for; needs flock
    except ModuleNotFoundError as missing:
        raise ConfigurationError(f"sidecar and ledger need a system with flock; there is no {missing.name}") from None
    root = spool_root(settings)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"spool is {str(root)!r}; expected a folder that can be made: {error}") from None
    return Spool(
        root,
        _destination(settings),
        settings.spool_max_bytes,
        settings.spool_when_full,
        lambda: {**resource, **_process()},
    )


def price_feed(settings: Settings, catalog: Catalog) -> PriceFeed | None:
    """What brings the sidecar's prices to the app's catalogue, where there is a sidecar.

    Without one, the calls are priced by the book of their own ledger, when they are recorded there.
    """
    if settings.sidecar is None:
        return None
    from tollkeeper.capture.prices import PriceFeed  # noqa: PLC0415  http.client takes 20 ms

    return PriceFeed(settings.sidecar, catalog, key=settings.sidecar_key)


def key_report(settings: Settings, service: str) -> KeyReport | None:
    """What tells a sidecar which providers' keys are set here, unless that is not wanted."""
    if settings.sidecar is None or not settings.report_keys:
        return None
    from tollkeeper.capture.key_report import KeyReport  # noqa: PLC0415  http.client takes 20 ms

    return KeyReport(settings.sidecar, service, settings.sidecar_key)


def _folder(settings: Settings) -> Path:
    return Path(settings.spool).absolute() if settings.spool is not None else state_folder() / "spool"


def spool_root(settings: Settings) -> Path:
    """What is kept for a sidecar or a ledger is in a folder of its own: what a dead process has left goes where it was
    meant to go."""
    where = settings.sidecar or settings.ledger or ""
    return _folder(settings) / hashlib.blake2b(_place(where).encode(), digest_size=8).hexdigest()


def _place(where: str) -> str:
    """The same for every spelling of a place: a file is the same file from whatever folder."""
    scheme, _, rest = where.partition(":///")
    return f"{scheme}:{os.path.abspath(rest)}" if scheme == "sqlite" else where.rstrip("/")


def _destination(settings: Settings) -> Destination:
    if settings.sidecar is not None:
        from tollkeeper.storage.spool.otlp import OtlpDestination  # noqa: PLC0415  http.client takes 20 ms

        return OtlpDestination(settings.sidecar, settings.sidecar_key)
    from tollkeeper.storage.spool.embedded import LedgerDestination  # noqa: PLC0415  needs SQLAlchemy

    assert settings.ledger is not None
    return LedgerDestination(settings.ledger)


def _process() -> dict[str, str]:
    return {
        "process.pid": str(os.getpid()),
        "host.name": platform.node(),
        "telemetry.sdk.name": "tollkeeper",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
    }


class Shipping:
    """Sees to it that a spool is emptied when its process ends, however processes end."""

    def __init__(self, spool: Spool, courier: Courier) -> None:
        self.spool = spool
        self._courier = courier
        atexit.register(_finish, weakref.ref(self))
        # Children of `multiprocessing` run no `atexit` handlers.
        multiprocessing.util.register_after_fork(self, Shipping._finish_when_this_child_ends)
        if multiprocessing.process.parent_process() is not None:
            self._finish_when_this_child_ends()

    def _finish_when_this_child_ends(self) -> None:
        multiprocessing.util.Finalize(self, _finish, (weakref.ref(self),), exitpriority=5)

    def finish(self) -> None:
        """The process ends. What the courier still has in hand goes first."""
        self._courier.flush(END_SECONDS)
        self.spool.finish(END_SECONDS)


def _finish(shipping: weakref.ref[Shipping]) -> None:
    if (found := shipping()) is not None:
        found.finish()
