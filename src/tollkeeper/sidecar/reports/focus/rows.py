"""Charges as rows of FOCUS, and rows as lines of CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from tollkeeper.sidecar.cells import FORMULA, plain
from tollkeeper.sidecar.reports.focus.charges import DAY, Charge, Correction, Tags
from tollkeeper.sidecar.reports.focus.columns import Version, columns_of
from tollkeeper.sidecar.reports.focus.units import UNITS

Row = Mapping[str, Any]

CURRENCY: Final = "USD"
CATEGORY, SUBCATEGORY = "AI and Machine Learning", "Generative AI"
NANO: Final = 1_000_000_000
NAMES: Final[Mapping[str, str]] = {
    "anthropic": "Anthropic",
    "aws.bedrock": "Amazon Web Services",
    "azure.ai.openai": "Microsoft",
    "azure.ai.inference": "Microsoft",
    "cohere": "Cohere",
    "deepseek": "DeepSeek",
    "gcp.gemini": "Google",
    "gcp.gen_ai": "Google",
    "gcp.vertex_ai": "Google",
    "groq": "Groq",
    "mistral_ai": "Mistral AI",
    "ollama": "Ollama",
    "openai": "OpenAI",
    "openrouter": "OpenRouter",
    "perplexity": "Perplexity",
    "x_ai": "xAI",
}
"""Who invoices, by the names of the OpenTelemetry conventions; of others, the name itself."""
_FLUSHED: Final = 65_536


def row_of(charge: Charge) -> Row:
    """The row of a usage charge, with the columns of every version."""
    key = charge.key
    unit = UNITS[key.meter or "requests"]
    # Where the provider named the sum only, one of it was used, at that price.
    is_sum = key.unit_price is None
    booked = _dollars(charge.nano_usd)
    quantity = Decimal(1) if is_sum else unit.quantity(charge.quantity)
    unit_price = booked if key.unit_price is None else key.unit_price * unit.block
    listed = booked if is_sum else unit_price * quantity
    meter = "total" if key.meter is None else key.meter
    sku = f"{key.provider}/{key.model}/{meter}"
    return {
        **_common(key.day, key.provider, key.operation, key.tags),
        **_period(key.day * DAY),
        "BilledCost": booked,
        "EffectiveCost": booked,
        "ListCost": listed,
        "ContractedCost": listed,
        "ListUnitPrice": unit_price,
        "ContractedUnitPrice": unit_price,
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{key.model or 'unknown model'}: {'all usage' if key.meter is None else unit.name}",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": charge.quantity,
        "ConsumedUnit": unit.consumed,
        "PricingQuantity": quantity,
        "PricingUnit": unit.priced if not is_sum else "Charges",
        "PricingCategory": "Standard",
        "SkuId": sku,
        "SkuPriceId": f"{sku}/{key.tier}",
        "SkuMeter": unit.name if key.meter else "All Usage",
        "SkuPriceDetails": {"x_Model": key.model, "x_Meter": meter, "x_ServiceTier": key.tier},
        "x_Model": key.model,
        "x_Meter": meter,
        "x_ServiceTier": key.tier,
        "x_Requests": charge.requests,
        "x_PriceSource": key.source,
        "x_PriceVersion": key.price_version or None,
    }


def row_of_correction(one: Correction) -> Row:
    """The row of a correction: by what calls of a day have become dearer or cheaper.

    It is billed in the month in which it was made; of a month that was over by then, it is a `Correction`.
    """
    delta = _dollars(one.nano_usd)
    charged, made = _month(one.day * DAY), _month(one.at)
    return {
        **_common(one.day, one.provider, one.operation, one.tags),
        **_period(one.at),
        **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), delta),
        "ChargeCategory": "Adjustment",
        "ChargeClass": "Correction" if made > charged else None,
        "ChargeDescription": f"{one.model or 'unknown model'}: corrected, {one.reason or one.repricing_id}",
        "ChargeFrequency": "One-Time",
        "x_Model": one.model,
        "x_Requests": one.requests,
        "x_PriceSource": one.repricing_id,
    }


def lines(rows: Iterable[Row], version: Version) -> Iterator[str]:
    """The lines of the file, some at a time, the one of names first. Null is an empty cell."""
    columns = columns_of(version)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
        if text.tell() > _FLUSHED:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _common(day: int, provider: str, operation: str, tags: Tags) -> dict[str, Any]:
    name = NAMES.get(provider, provider)
    tenant = dict(tags).get("tenant") or None
    return {
        "BillingAccountId": provider,
        "BillingAccountName": name,
        "BillingCurrency": CURRENCY,
        "ChargePeriodStart": _moment(day * DAY),
        "ChargePeriodEnd": _moment((day + 1) * DAY),
        "InvoiceIssuerName": name,
        "ProviderName": name,
        "PublisherName": name,
        "ServiceProviderName": name,
        "HostProviderName": name,
        "ServiceCategory": CATEGORY,
        "ServiceSubcategory": SUBCATEGORY,
        "ServiceName": f"{name} API",
        "SubAccountId": tenant,
        "SubAccountName": tenant,
        "SubAccountType": None if tenant is None else "Tenant",
        "Tags": dict(tags) or None,
        "x_Operation": operation,
    }


def _period(moment: int) -> dict[str, Any]:
    """The billing period that a moment is in: a month of UTC."""
    start = _month(moment)
    end = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    return {"BillingPeriodStart": _written(start), "BillingPeriodEnd": _written(end)}


def _month(moment: int) -> datetime:
    at = datetime.fromtimestamp(moment // NANO, UTC)
    return at.replace(day=1, hour=0, minute=0, second=0)


def _moment(moment: int) -> str:
    return _written(datetime.fromtimestamp(moment // NANO, UTC))


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _dollars(nano: int) -> Decimal:
    return Decimal(nano).scaleb(-9)


def _cell(value: Any) -> Any:
    """As the specification's formats say; a text that a spreadsheet would run has an apostrophe in front."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
