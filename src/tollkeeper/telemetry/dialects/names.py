"""The words of others, and ours: providers, operations, errors, hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tollkeeper.model import Operation

PROVIDERS = {
    "alephalpha": "aleph_alpha",
    "amazon": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "anthropic_vertex": "gcp.vertex_ai",
    "aws": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "google.generative-ai": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "google-gla": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "google_ai_studio": "gcp.gemini",
    "google_genai": "gcp.gen_ai",
    "google_vertexai": "gcp.vertex_ai",
    "ibm.watson.ai": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "ollama_chat": "ollama",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "vllm": "vllm",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""What emitters call a provider -> its name in the conventions. The keys are in lower case."""

APIS = (".chat", ".messages", ".responses", ".completion", ".embedding")
"""What Vercel's AI SDK puts behind a provider's name."""

UNKNOWN_PROVIDERS = frozenset({"", "_other", "unknown", "langchain", "litellm", "llama_index", "llamaindex"})
"""Words that name no provider: frameworks, and "something else"."""

MARKS_OF_MODELS = (
    ("claude", "anthropic"),
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4-", "openai"),
    ("text-embedding-", "openai"),
    ("gemini-", "gcp.gen_ai"),
    ("mistral-", "mistral_ai"),
    ("deepseek-", "deepseek"),
    ("grok-", "x_ai"),
    ("command-", "cohere"),
)
"""How the names of models begin that say who made them. Only where nobody says who served them."""

OPERATIONS: Mapping[str, Operation] = {
    "chat": "chat",
    "generate_content": "generate_content",
    "text_completion": "text_completion",
    "embeddings": "embeddings",
    "embedding": "embeddings",
    "embed_content": "embeddings",
    "completion": "text_completion",
    "model_request": "chat",
    "responses": "chat",
    "message": "chat",
    "messages": "chat",
    "image": "image_generation",
    "image_generation": "image_generation",
    "audio": "speech",
    "speech": "speech",
    "text_to_speech": "speech",
    "speech_to_text": "transcription",
    "transcription": "transcription",
    "moderation": "moderation",
    "rerank": "rerank",
    "realtime": "realtime",
}
"""The operations that are counted. Agents, workflows, tools, plans, retrievals and fetches only carry what other calls
have used, and are in no row here."""

_ADDRESS = re.compile(
    r"^(?:[a-z][a-z+]*://)?(?:[^/@]*@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^/:?#]+)(?::(?P<port>\d{1,5}))?(?=[/?#]|$)"
)
_CLASS = re.compile(r"^<class '([^']+)'>$")
_DOTTED = re.compile(r"^[A-Za-z_][\w]*(\.[A-Za-z_]\w*)+$")


def provider_of(name: str | None) -> str | None:
    """A provider's name in the conventions; `None` where none is named."""
    word = (name or "").strip().lower().replace(" ", "_")
    for api in APIS:
        word = word.removesuffix(api)
    return None if word in UNKNOWN_PROVIDERS else PROVIDERS.get(word, word)


def maker_of(*models: str | None) -> str | None:
    """Who makes the first of these models that begins with a known mark."""
    for model in filter(None, models):
        for mark, provider in MARKS_OF_MODELS:
            if model.rpartition("/")[2].lower().startswith(mark):
                return provider
    return None


def error_word(text: str | None) -> str | None:
    """An error's class without its module: `openai.RateLimitError`, or Python's `<class '…'>`, is `RateLimitError`."""
    if text is None:
        return None
    if found := _CLASS.match(text):
        text = found[1]
    return text.rpartition(".")[2] if _DOTTED.match(text) else text


def host_of(address: str | None) -> tuple[str | None, int | None]:
    """The host and the port of an address, which may be a whole URL."""
    if not address:
        return None, None
    found = _ADDRESS.match(address)
    if found is None:
        return None, None
    port = found["port"]
    return found["host"].strip("[]").lower(), int(port) if port else None
