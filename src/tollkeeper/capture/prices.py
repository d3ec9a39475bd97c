"""Keeps an app's prices those of the sidecar's price book; the ledger has the sidecar's own in any case."""

from __future__ import annotations

from tollkeeper.capture.feed import EVERY_SECONDS, Document, Feed
from tollkeeper.capture.recurring import Wait
from tollkeeper.pricing import Catalog, Overlay

PATH = "/api/v1/prices/overlay"


class PriceFeed(Feed[Overlay]):
    """Brings a sidecar's price book to a catalogue. `own` are the app's own prices, which hold for what the sidecar's
    book does not name; the rest is as for `Feed`."""

    def __init__(
        self,
        url: str,
        catalog: Catalog,
        own: Overlay | None = None,
        key: str | None = None,
        seconds: float = EVERY_SECONDS,
        wait: Wait | None = None,
    ) -> None:
        below = own or catalog.overlay
        document = Document(
            "prices",
            PATH,
            lambda body: Overlay.parse_json(body, "the sidecar's prices"),
            lambda overlay: catalog.use(overlay.over(below)),
        )
        super().__init__(url, document, key, seconds, wait)
