"""What people say of anomalies, and what detectors make of it: where they cried wolf, they wait for more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, get_args

Label = Literal["real", "false"]
LABELS: Final[tuple[Label, ...]] = get_args(Label)

OF_FALSE: Final = 1.25
OF_REAL: Final = 0.95
"""What a label makes of the threshold. A false alarm costs more trust than a real one wins."""
LEAST: Final = 0.8
MOST: Final = 2.5
"""However often somebody labels, nothing becomes deaf, or cries at everything."""


def factor_of(labels: Iterable[Label]) -> float:
    """How many times the threshold of a scope and metric holds that were labelled so; 1 without labels."""
    factor = 1.0
    for label in labels:
        factor = min(max(factor * (OF_FALSE if label == "false" else OF_REAL), LEAST), MOST)
    return round(factor, 4)
