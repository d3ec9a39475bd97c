"""The nouns: what a call is, what it used, what it cost. Imports nothing of ours."""

from tollkeeper.model.call import Call, Operation, UsageSource
from tollkeeper.model.cost import Cost, LineItem, PriceStatus
from tollkeeper.model.usage import Meter, Pass, Usage

__all__ = ["Call", "Cost", "LineItem", "Meter", "Operation", "Pass", "PriceStatus", "Usage", "UsageSource"]
