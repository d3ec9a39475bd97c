"""Who serves at which host: one row each."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Service:
    """`host` matches itself and all below it; `*` in it is a region. `takes_include_usage`: streams are asked for
    their usage; not where that is refused, nor where they report it unasked, in a chunk that is the caller's then."""

    host: str
    provider: str
    takes_include_usage: bool = True


SERVICES = (
    Service("api.openai.com", "openai"),
    Service("openai.azure.com", "azure.ai.openai"),
    Service("openai.azure.us", "azure.ai.openai"),
    Service("cognitiveservices.azure.com", "azure.ai.openai"),
    Service("services.ai.azure.com", "azure.ai.openai"),
    Service("models.inference.ai.azure.com", "azure.ai.inference"),
    Service("models.github.ai", "azure.ai.inference"),
    Service("openrouter.ai", "openrouter"),
    Service("api.groq.com", "groq"),
    Service("api.deepseek.com", "deepseek"),
    Service("api.x.ai", "x_ai"),
    Service("api.mistral.ai", "mistral_ai", takes_include_usage=False),
    Service("api.together.xyz", "together"),
    Service("api.together.ai", "together"),
    Service("api.fireworks.ai", "fireworks"),
    Service("api.perplexity.ai", "perplexity", takes_include_usage=False),
    Service("api.cerebras.ai", "cerebras"),
    Service("router.huggingface.co", "huggingface", takes_include_usage=False),
    Service("api-inference.huggingface.co", "huggingface", takes_include_usage=False),
    Service("endpoints.huggingface.cloud", "huggingface", takes_include_usage=False),
    Service("api.moonshot.ai", "moonshot_ai"),
    Service("api.moonshot.cn", "moonshot_ai"),
    Service("api.cohere.ai", "cohere"),
    Service("api.cohere.com", "cohere"),
    Service("api.deepinfra.com", "deepinfra"),
    Service("api.novita.ai", "novita"),
    Service("api.sambanova.ai", "sambanova"),
    Service("integrate.api.nvidia.com", "nvidia"),
    Service("api.venice.ai", "venice"),
    Service("api.z.ai", "zai"),
    Service("open.bigmodel.cn", "zai"),
    Service("dashscope.aliyuncs.com", "alibaba"),
    Service("dashscope-intl.aliyuncs.com", "alibaba"),
    Service("api.voyageai.com", "voyage"),
    Service("ai-gateway.vercel.sh", "vercel"),
    Service("snowflakecomputing.com", "snowflake"),
    Service("generativelanguage.googleapis.com", "gcp.gemini"),
    Service("aiplatform.googleapis.com", "gcp.vertex_ai"),
    Service("*-aiplatform.googleapis.com", "gcp.vertex_ai"),
    Service("aiplatform.*.rep.googleapis.com", "gcp.vertex_ai"),
    Service("bedrock-runtime.*.amazonaws.com", "aws.bedrock"),
    Service("bedrock-mantle.*.amazonaws.com", "aws.bedrock"),
    Service("bedrock-mantle.*.api.aws", "aws.bedrock"),
    Service("api.anthropic.com", "anthropic"),
    Service("ollama.com", "ollama"),
)

LOCAL_PORTS = {11434: "ollama", 1234: "lm_studio", 8080: "llama_cpp"}
"""Servers that people run on their own machines are known by their usual ports."""


@lru_cache(maxsize=1024)
def service_at(host: str) -> Service | None:
    """The service of a host. A row matches at a label boundary: `evil-openai.com` is not `openai.com`."""
    for service in SERVICES:
        if fnmatchcase(host, service.host) or host.endswith("." + service.host):
            return service
    return None
