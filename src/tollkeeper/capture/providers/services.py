"""Services that speak OpenAI's API, told apart by the host that the client was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tollkeeper.capture.stainless import Endpoint
from tollkeeper.telemetry.services import LOCAL_PORTS, Service, service_at

AZURE_CLIENTS = frozenset({"AzureOpenAI", "AsyncAzureOpenAI"})

_refused: set[str] = set()
"""Locations that have refused `include_usage` once: they are not asked again."""

_named: dict[str, str] = {}


def name_hosts(hosts: Mapping[str, str]) -> None:
    """The user's own names for hosts: `{"llm.internal": "vllm"}`."""
    _named.clear()
    _named.update(hosts)


def find_service(host: str) -> Service | None:
    """The service of a host: by the user's own names first."""
    for name, provider in _named.items():
        if host == name or host.endswith("." + name):
            return Service(name, provider)
    return service_at(host)


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
