"""Keeps the limits of an app those of the sidecar's policy, where the app has none of its own."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

from tollkeeper.capture.feed import EVERY_SECONDS, Document, Feed
from tollkeeper.capture.recurring import Wait
from tollkeeper.config.instrument import UntilKnown
from tollkeeper.policy import Policy
from tollkeeper.policy.document import read_json

log = logging.getLogger("tollkeeper")

PATH = "/api/v1/policy"
UNKNOWN_SECONDS = 1.0
"""Between two questions while there is nothing to go by: a sidecar that is restarted is back within seconds."""


class PolicyFeed(Feed[Policy]):
    """Gives each version of a sidecar's policy to `use`; the rest is as for `Feed`.

    The last one is kept in the file `snapshot`: an app that is started while the sidecar is away goes by that.
    `until_known`: what becomes of calls before there has ever been one; it is only told here.
    """

    def __init__(
        self,
        url: str,
        use: Callable[[Policy], object],
        key: str | None = None,
        seconds: float = EVERY_SECONDS,
        wait: Wait | None = None,
        snapshot: Path | None = None,
        until_known: UntilKnown = "allow",
    ) -> None:
        super().__init__(url, Document("limits", PATH, _read, use), key, seconds, wait)
        self._snapshot = snapshot
        self._until_known = until_known
        self.known = False
        """Whether there is, or ever was, a policy of the sidecar's to go by."""
        if snapshot is not None and (kept := _kept(snapshot)) is not None:
            use(kept)
            self.known = True

    def pause(self) -> float:
        pause = super().pause()
        return pause if self.known else min(pause, UNKNOWN_SECONDS)

    def warn_if_unknown(self) -> None:
        """To be called when the first answer does not come in time."""
        if not self.known:
            log.warning("the sidecar's %s are not there yet, and %s", self.name, self._meanwhile())

    def _meanwhile(self) -> str:
        if self.known:
            return super()._meanwhile()
        if self._until_known == "deny":
            return "all calls are denied until they are known (until_limits_known)"
        return "no call is limited or counted until they are known (until_limits_known)"

    def _keep(self, body: bytes) -> None:
        self.known = True
        if self._snapshot is None:
            return
        try:
            self._snapshot.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Beside it, and then in its place: several processes may write at once, and any may be killed.
            new = self._snapshot.with_name(f"{self._snapshot.name}.{os.getpid()}")
            new.write_bytes(body)
            new.replace(self._snapshot)
        except OSError as error:
            log.warning("the sidecar's limits cannot be kept in %s: %s", self._snapshot, error)


def _kept(snapshot: Path) -> Policy | None:
    try:
        return _read(snapshot.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("the sidecar's limits of before cannot be read from %s: %s", snapshot, error)
        return None


def _read(body: bytes) -> Policy:
    answer = json.loads(body)
    document = answer.get("document") if isinstance(answer, dict) else None
    return read_json(json.dumps(document), "the sidecar's policy")
