"""What a call cost: `Catalog` finds the price that applied, `Overlay` is the user's own price file."""

from tollkeeper.pricing.catalog import Catalog
from tollkeeper.pricing.overlay import Overlay, OverlayError

__all__ = ["Catalog", "Overlay", "OverlayError"]
