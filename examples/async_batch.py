"""Many calls at once. Each task's tags are its own, and the sums come out of `on_call`."""

import asyncio
from collections import Counter
from decimal import Decimal

import openai

import tollkeeper

DOCUMENTS = {"acme": ["a contract", "an invoice", "a letter"], "globex": ["a report", "a memo"]}
calls: Counter[str] = Counter()
spent: dict[str, Decimal] = {}


def add(call: tollkeeper.Call) -> None:
    tenant = call.tags["tenant"]
    calls[tenant] += 1
    spent[tenant] = spent.get(tenant, Decimal(0)) + (call.cost.usd if call.cost else 0)


async def summarise(client: openai.AsyncOpenAI, tenant: str, document: str) -> None:
    with tollkeeper.tags(tenant=tenant, feature="summary"):
        await client.responses.create(model="gpt-4o-mini", input=f"Sum up {document}.")


async def main() -> None:
    async with openai.AsyncOpenAI() as client:
        await asyncio.gather(
            *(summarise(client, tenant, document) for tenant, documents in DOCUMENTS.items() for document in documents)
        )


with tollkeeper.instrument(on_call=add):
    asyncio.run(main())
for tenant in calls:
    print(f"{tenant}: {calls[tenant]} calls, ${spent[tenant]:f}")
