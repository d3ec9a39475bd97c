"""Services that speak OpenAI's API: one row each, told apart by the host that the client was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from tollkeeper.capture.stainless import Endpoint


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

AZURE_CLIENTS = frozenset({"AzureOpenAI", "AsyncAzureOpenAI"})

_refused: set[str] = set()
"""Locations that have refused `include_usage` once: they are not asked again."""

_named: dict[str, str] = {}


def name_hosts(hosts: Mapping[str, str]) -> None:
    """The user's own names for hosts: `{"llm.internal": "vllm"}`."""
    _named.clear()
    _named.update(hosts)


def find_service(host: str) -> Service | None:
    """The service of a host. A row matches at a label boundary: `evil-openai.com` is not `openai.com`."""
    for name, provider in _named.items():
        if host == name or host.endswith("." + name):
            return Service(name, provider)
    for service in SERVICES:
        if fnmatchcase(host, service.host) or host.endswith("." + service.host):
            return service
    return None


def is_local(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal")


def find_endpoint(client: Any, base_url: Any, default: str = "openai") -> Endpoint:
    """Which service a client talks to: by host, a local server's usual port, or the client's class; else `default`."""
    host, port = base_url.host, base_url.port or (443 if base_url.scheme == "https" else 80)
    location = f"{host}{base_url.path.rstrip('/')}"
    service = find_service(host)
    if service is None and is_local(host) and port in LOCAL_PORTS:
        service = Service(host, LOCAL_PORTS[port])
    if any(kind.__name__ in AZURE_CLIENTS for kind in type(client).__mro__):
        service = replace(service or Service(host, ""), provider="azure.ai.openai")
    if service is None:
        service = Service(host, default)
    return Endpoint(service.provider, host, port, location, service.takes_include_usage)


def takes_include_usage(endpoint: Endpoint) -> bool:
    return endpoint.takes_include_usage and endpoint.location not in _refused


def is_refusal(endpoint: Endpoint, error: BaseException) -> bool:
    """Whether a service has refused `stream_options`. Remembered, so that it is asked once only."""
    if getattr(error, "status_code", None) not in (400, 422):
        return False
    said = str(error)
    if "stream_options" not in said and "include_usage" not in said:
        return False
    _refused.add(endpoint.location)
    return True
