"""The price book: append-only versions of one's own prices, aliases and discounts."""

from tollkeeper.storage.prices.book import PriceBook, PriceConflict, UnknownRow
from tollkeeper.storage.prices.records import HistoryQuery
from tollkeeper.storage.prices.versions import Kind, PriceVersion, Span

__all__ = ["HistoryQuery", "Kind", "PriceBook", "PriceConflict", "PriceVersion", "Span", "UnknownRow"]
