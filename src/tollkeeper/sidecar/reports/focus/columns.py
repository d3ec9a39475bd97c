"""The columns of the Cost and Usage dataset of FOCUS that Tollkeeper can tell, by version of the specification.

Version 1.4 was ratified on 4 June 2026. It has no `ProviderName` and `PublisherName` any more, which 1.2 requires; what
1.3 brought in their place, `ServiceProviderName` and `HostProviderName`, 1.2 does not know. All else is the same here.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

Version = Literal["1.4", "1.2"]
VERSIONS: Final[tuple[Version, ...]] = get_args(Version)

OF_BOTH: Final = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
)
OF_ONE: Final[dict[Version, tuple[str, ...]]] = {
    "1.4": ("HostProviderName", "ServiceProviderName"),
    "1.2": ("ProviderName", "PublisherName"),
}
OWN: Final = ("x_Model", "x_Meter", "x_Operation", "x_ServiceTier", "x_Requests", "x_PriceSource", "x_PriceVersion")
"""Custom columns: after all others, with the prefix that the specification asks for."""


def columns_of(version: Version) -> tuple[str, ...]:
    """In the order in which they stand: by the alphabet, and then our own."""
    return (*sorted((*OF_BOTH, *OF_ONE[version])), *OWN)
