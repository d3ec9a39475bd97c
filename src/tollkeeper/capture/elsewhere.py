"""A call of a Stainless-generated SDK, sent to another model, or to another endpoint that speaks the same API."""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Mapping
from typing import Any

from tollkeeper.config.provider_keys import endpoint_key
from tollkeeper.model.ladder import Endpoint

log = logging.getLogger("tollkeeper")

KEPT_HEADERS = ("x-stainless-", "x-tollkeeper-", "accept", "content-type")
NO_KEY = "none"
"""What an endpoint is sent that needs no key: the SDKs insist on one."""

CLIENTS = {
    "openai": ("OpenAI", "AsyncOpenAI"),
    "groq": ("Groq", "AsyncGroq"),
    "anthropic": ("Anthropic", "AsyncAnthropic"),
}
APIS = {"openai": "openai", "groq": "openai", "anthropic": "anthropic"}
"""Whose API each SDK speaks."""


class Elsewhere:
    """The clients of one SDK for other endpoints. Each is made of the app's own client: its HTTP client, timeout and
    retries; but neither its key nor its headers, which are not for others.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._clients: weakref.WeakKeyDictionary[Any, dict[tuple[str, str], Any]] = weakref.WeakKeyDictionary()

    def client(self, client: Any, endpoint: Endpoint) -> Any | None:
        """The client for an endpoint; nothing where it speaks another API, or its key is missing."""
        if endpoint.api != APIS.get(self._package):
            return None
        key = endpoint_key(endpoint.api_key_env) if endpoint.api_key_env is not None else NO_KEY
        if key is None:
            log.warning("endpoint %r is not used: %s is not set", endpoint.name, endpoint.api_key_env)
            return None
        known = self._clients.setdefault(client, {})
        found = known.get((endpoint.base_url, key))
        if found is None:
            found = known[endpoint.base_url, key] = self._make(client, endpoint.base_url, key)
        return found

    def clear(self) -> None:
        """Forget them."""
        self._clients.clear()

    def _make(self, client: Any, base_url: str, key: str) -> Any:
        is_async = isinstance(client, sys.modules[f"{self._package}._base_client"].AsyncAPIClient)
        kind = getattr(sys.modules[self._package], CLIENTS[self._package][is_async])
        made = kind(
            api_key=key,
            base_url=base_url,
            timeout=client.timeout,
            max_retries=client.max_retries,
            http_client=client._client,
        )
        # The constructor reads the environment for these, and they name the account at the app's own provider.
        made._custom_headers = {}
        for name in ("organization", "project", "auth_token", "admin_api_key", "webhook_secret"):
            if getattr(made, name, None) is not None:
                setattr(made, name, None)
        return made


def own_headers(headers: Any) -> Any:
    """Of the headers of one call, those that are for the SDK and for us. The rest are for the app's own provider."""
    if not isinstance(headers, Mapping):
        return headers
    return {name: value for name, value in headers.items() if str(name).lower().startswith(KEPT_HEADERS)}
