"""Names: OpenTelemetry's for providers and genai-prices's, the spellings of a model, and who hosts it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

PRICE_LISTS = {
    "anthropic": "anthropic",
    "aws.bedrock": "aws",
    "azure": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "baseten": "baseten",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare",
    "cohere": "cohere",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "doubleword": "doubleword",
    "elevenlabs": "elevenlabs",
    "fireworks": "fireworks",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "github_copilot": "github-copilot",
    "groq": "groq",
    "minimax": "minimax",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "ovhcloud": "ovhcloud",
    "perplexity": "perplexity",
    "together": "together",
    "together_ai": "together",
    "voyage": "voyageai",
    "voyage_ai": "voyageai",
    "x_ai": "x-ai",
    "z_ai": "zai",
    "zai": "zai",
    "zhipu_ai": "zhipuai",
}
"""`gen_ai.provider.name` -> genai-prices id. A name that is not here is tried as an id itself."""

SELF_HOSTED = frozenset(
    {"ollama", "vllm", "llama_cpp", "llamacpp", "llama.cpp", "lm_studio", "lmstudio", "sglang", "localai"}
)
"""Programs that serve a model on one's own machine. On a private address they charge nothing a token."""


def price_list_of(provider: str, model: str) -> str:
    """The genai-prices id whose list applies. Hugging Face only routes: `model:groq` is billed by the list of groq."""
    if provider in ("huggingface", "hugging_face"):
        return f"huggingface_{model.rpartition(':')[2]}" if ":" in model else "huggingface"
    return PRICE_LISTS.get(provider, provider)


def spellings(price_list: str, model: str) -> Iterator[str]:
    """The model as it was named, then without what is not part of its name in the list."""
    yield model
    if price_list.startswith("huggingface_"):
        yield model.rpartition(":")[0]
    elif price_list in ("google", "azure", "fireworks") and "/" in model:
        yield model.rpartition("/")[2]
    elif price_list == "aws" and ":" not in model:
        yield f"{model}-1:0"


def runs_here(provider: str, model: str | None, address: str | None) -> bool:
    """Whether this is a server of one's own. Ollama's `-cloud` models are only relayed by it."""
    if provider not in SELF_HOSTED or not address:
        return False
    if provider == "ollama" and model and model.endswith(("-cloud", ":cloud")):
        return False
    return _is_private(address.lower().strip("[]"))


def _is_private(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal"))
    return address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified
