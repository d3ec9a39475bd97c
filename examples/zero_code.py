"""An app that does not know Tollkeeper. Every call is logged, by the environment alone:

TOLLKEEPER_LOG_CALLS=true TOLLKEEPER_TAGS=tenant=acme opentelemetry-instrument python zero_code.py
"""

import logging

import openai

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
logging.getLogger("httpx").setLevel(logging.WARNING)

client = openai.OpenAI()
for city in ("Rome", "Oslo"):
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": f"Where is {city}?"}])
client.embeddings.create(model="text-embedding-3-small", input=["Rome", "Oslo"])
