"""The nouns: what a call is, what it used, what it cost, what limits it. Imports nothing of ours."""

from tollkeeper.model.call import Call, Operation, UsageSource
from tollkeeper.model.cost import Cost, LineItem, PriceStatus
from tollkeeper.model.decision import Bound, Denial, Status
from tollkeeper.model.limit import Limit, Match, Window
from tollkeeper.model.usage import Meter, Pass, Usage

__all__ = [
    "Bound",
    "Call",
    "Cost",
    "Denial",
    "Limit",
    "LineItem",
    "Match",
    "Meter",
    "Operation",
    "Pass",
    "PriceStatus",
    "Status",
    "Usage",
    "UsageSource",
    "Window",
]
