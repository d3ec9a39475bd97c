"""What the Cost and Usage dataset of FOCUS must be, written down from the specification (1.2 and 1.4).

Of each column: its type, whether it may be null, and the values that are allowed. Then what must hold between columns.
https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, specification/datasets/cost_and_usage/columns
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class Rule(NamedTuple):
    type: str
    nullable: bool
    allowed: tuple[str, ...] = ()


STRING, TEXT = Rule("String", False), Rule("String", True)
NUMBER, AMOUNT = Rule("Decimal", True), Rule("Decimal", False)
MOMENT, JSON = Rule("Date/Time", False), Rule("JSON", True)

MANDATORY: Mapping[str, Rule] = {
    "BilledCost": AMOUNT, "BillingAccountId": STRING, "BillingAccountName": TEXT,
    "BillingCurrency": Rule("String", False, ("USD",)), "BillingPeriodEnd": MOMENT, "BillingPeriodStart": MOMENT,
    "ChargeCategory": Rule("String", False, ("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    "ChargeClass": Rule("String", True, ("Correction",)), "ChargeDescription": TEXT,
    "ChargePeriodEnd": MOMENT, "ChargePeriodStart": MOMENT, "ContractedCost": AMOUNT, "EffectiveCost": AMOUNT,
    "InvoiceIssuerName": STRING, "ListCost": AMOUNT, "PricingQuantity": NUMBER, "PricingUnit": TEXT,
    "ServiceCategory": Rule("String", False, ("AI and Machine Learning",)), "ServiceName": STRING,
}  # fmt: skip
OF_VERSION: Mapping[str, Mapping[str, Rule]] = {
    "1.2": {"ProviderName": STRING, "PublisherName": STRING},
    "1.4": {"ServiceProviderName": STRING, "HostProviderName": STRING},
}
CONDITIONAL: Mapping[str, Rule] = {
    "ChargeFrequency": Rule("String", False, ("One-Time", "Recurring", "Usage-Based")),
    "ConsumedQuantity": NUMBER, "ConsumedUnit": TEXT, "ContractedUnitPrice": NUMBER, "ListUnitPrice": NUMBER,
    "PricingCategory": Rule("String", True, ("Standard", "Dynamic", "Committed", "Other")),
    "ServiceSubcategory": Rule("String", False, ("Generative AI",)), "SkuId": TEXT, "SkuMeter": TEXT,
    "SkuPriceDetails": JSON, "SkuPriceId": TEXT, "SubAccountId": TEXT, "SubAccountName": TEXT, "SubAccountType": TEXT,
    "Tags": JSON,
}  # fmt: skip
OF_USAGE = (
    "ConsumedQuantity", "ConsumedUnit", "ContractedUnitPrice", "ListUnitPrice", "PricingCategory", "PricingQuantity",
    "PricingUnit", "SkuId", "SkuMeter", "SkuPriceId",
)  # fmt: skip
"""Not null of a usage charge that is no correction."""
NUMERIC = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE]-?[0-9]+)?")
UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def mistakes(columns: Sequence[str], rows: Sequence[Mapping[str, str]], version: str) -> Iterator[str]:
    """Everything that is not as the specification says."""
    known = {**MANDATORY, **OF_VERSION[version], **CONDITIONAL}
    yield from (f"{name} is missing" for name in {**MANDATORY, **OF_VERSION[version]} if name not in columns)
    own = [name.startswith("x_") for name in columns]
    if own != sorted(own):
        yield "custom columns come after all others"
    yield from (f"{name} is no column of {version}" for name in columns if name not in known and name[:2] != "x_")
    for number, row in enumerate(rows):
        for problem in (*_cells(row, known), *_between(row)):
            yield f"row {number}: {problem}"


def _cells(row: Mapping[str, str], known: Mapping[str, Rule]) -> Iterator[str]:
    for name, rule in known.items():
        value = row.get(name, "")
        if not value:
            if not rule.nullable:
                yield f"{name} is null"
        elif rule.allowed and value not in rule.allowed:
            yield f"{name} is {value!r}"
        elif rule.type == "Decimal" and not NUMERIC.fullmatch(value):
            yield f"{name} is {value!r}; expected a number"
        elif rule.type == "Date/Time" and not UTC.fullmatch(value):
            yield f"{name} is {value!r}; expected ISO 8601 in UTC"
        elif rule.type == "JSON" and not isinstance(json.loads(value), dict):
            yield f"{name} is {value!r}; expected an object"


def _between(row: Mapping[str, str]) -> Iterator[str]:
    moment = {name: datetime.fromisoformat(row[name]) for name in row if name.endswith(("PeriodStart", "PeriodEnd"))}
    if not moment["ChargePeriodStart"] < moment["ChargePeriodEnd"]:
        yield "the charge period is empty"
    if (moment["BillingPeriodStart"].day, moment["BillingPeriodEnd"].day) != (1, 1):
        yield "the billing period is no month"
    is_usage = row["ChargeCategory"] == "Usage" and not row["ChargeClass"]
    if is_usage:
        yield from (f"{name} is null" for name in OF_USAGE if not row[name])
        if not moment["BillingPeriodStart"] <= moment["ChargePeriodStart"] < moment["BillingPeriodEnd"]:
            yield "the charge is not in its billing period"
    if row["ChargeCategory"] != "Usage" and (row["ConsumedQuantity"] or row["ConsumedUnit"]):
        yield "something was consumed that is no usage"
    for cost, price in (("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")):
        if row[price] and row["PricingQuantity"]:
            if Decimal(row[cost]) != Decimal(row[price]) * Decimal(row["PricingQuantity"]):
                yield f"{cost} is not {price} times PricingQuantity"
            if Decimal(row[price]) < 0:
                yield f"{price} is below zero"
    if not row["SkuPriceId"]:
        yield from (
            f"{name} without SkuPriceId" for name in ("PricingQuantity", "PricingUnit", "ListUnitPrice") if row[name]
        )
        if row["ListCost"] != row["BilledCost"]:
            yield "ListCost of a charge without a price is not its BilledCost"
