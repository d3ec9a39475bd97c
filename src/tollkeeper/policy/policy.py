"""Everything that was decided about calls: the limits, what is done as they fill, and what when a provider fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tollkeeper.model import Limit
from tollkeeper.model.anomaly_rule import AnomalyRule, Detection, Detector
from tollkeeper.model.ladder import Emergency, Endpoint, Fallback, Ladder


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for the calls of an app.

    `quality` are classes of models, by name, from which `cheapest` chooses. `health`: whether it is kept how providers
    do, if neither fallbacks nor classes need it. `anomalies` are rules of one's own, `detection` how the built-in
    detectors look.
    """

    name: str = "policy"
    limits: tuple[Limit, ...] = ()
    ladders: tuple[Ladder, ...] = ()
    emergency: Emergency | None = None
    endpoints: tuple[Endpoint, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    quality: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    health: bool = False
    anomalies: tuple[AnomalyRule, ...] = ()
    detection: tuple[Detection, ...] = ()

    @property
    def changes_calls(self) -> bool:
        """Whether a call may be sent otherwise than it was asked for, before any provider has failed."""
        return bool(self.ladders or self.emergency)

    def detects(self, detector: Detector, metric: str, scope: str) -> Detection:
        """How a built-in detector looks at a metric of a scope, such as `tenant`, or `total`."""
        made = Detection()
        for said in self.detection:
            if said.means(detector, metric, scope):
                made = replace(
                    made,
                    enabled=said.enabled,
                    deviations=made.deviations if said.deviations is None else said.deviations,
                    floor_nano_usd=made.floor_nano_usd if said.floor_nano_usd is None else said.floor_nano_usd,
                )
        return made

    @property
    def keeps_health(self) -> bool:
        """Whether something needs to know how providers do."""
        return self.health or bool(self.fallbacks or self.quality)

    def target(self, model: str) -> tuple[str, Endpoint | None]:
        """A model as a policy names it, and the endpoint that it is at; `None` is the provider of the call."""
        name, _, rest = model.partition(":")
        endpoint = next((each for each in self.endpoints if each.name == name), None) if rest else None
        return (model, None) if endpoint is None else (rest, endpoint)
