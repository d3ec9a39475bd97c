"""In which units meters are counted and priced, as FOCUS writes units: `Tokens`, `1000000 Tokens`."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from tollkeeper.model.usage import TOKEN_METERS, Meter


class Unit(NamedTuple):
    """`block`: so many of the consumed unit are one of what is priced. `name` is the meter's, for people."""

    consumed: str
    block: int
    name: str

    @property
    def priced(self) -> str:
        """The unit that prices are of."""
        return self.consumed if self.block == 1 else f"{self.block} {self.consumed}"

    def quantity(self, consumed: int | Decimal) -> Decimal:
        """How many of the priced unit, exactly."""
        return Decimal(consumed) / self.block


MILLION: Final = 1_000_000
_NAMES: Final[dict[Meter, str]] = {
    "input": "Input Tokens",
    "input_audio": "Audio Input Tokens",
    "input_image": "Image Input Tokens",
    "input_video": "Video Input Tokens",
    "cache_read": "Cache Read Tokens",
    "cache_read_audio": "Audio Cache Read Tokens",
    "cache_read_image": "Image Cache Read Tokens",
    "cache_write_5m": "Cache Write Tokens (5 minutes)",
    "cache_write_1h": "Cache Write Tokens (1 hour)",
    "output": "Output Tokens",
    "output_audio": "Audio Output Tokens",
    "output_image": "Image Output Tokens",
    "reasoning": "Reasoning Tokens",
}
_OTHERS: Final[dict[Meter, Unit]] = {
    "web_searches": Unit("Searches", 1000, "Web Searches"),
    "input_audio_seconds": Unit("Seconds", 1, "Audio Input"),
    "input_characters": Unit("Characters", MILLION, "Input Characters"),
    "output_images": Unit("Images", 1, "Output Images"),
    "requests": Unit("Requests", 1, "Requests"),
}
UNITS: Final[dict[Meter, Unit]] = {
    **{meter: Unit("Tokens", MILLION, _NAMES[meter]) for meter in TOKEN_METERS},
    **_OTHERS,
}
