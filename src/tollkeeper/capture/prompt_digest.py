"""The opt-in digest of prompts: by it one can see that a prompt was sent before, and nothing of what it says.

It is keyed, so that nobody without the key can try texts until one fits. What does not belong to the question is left
out of it, as who asks, and how the answer is to come.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tollkeeper.capture.body import LEFT_OUT
from tollkeeper.capture.content import plain

NOT_ASKED = frozenset(
    (
        "model", "modelId", "stream", "stream_options", "user", "metadata", "requestMetadata", "timeout", "store",
        "extra_headers", "service_tier", "safety_identifier", "prompt_cache_key", "max_tokens", "max_output_tokens",
        "max_completion_tokens",
    )
)  # fmt: skip


class PromptDigest:
    """Of one key. Safe to use from several threads."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(key.encode()).digest()

    def of(self, body: Mapping[str, Any]) -> str | None:
        """32 hexadecimal digits; `None` of what is no text, as of files."""
        said = {str(name): value for name, value in body.items() if type(value).__name__ not in LEFT_OUT}
        asked = {name: value for name, value in said.items() if name not in NOT_ASKED}
        try:
            text = json.dumps(plain(asked), sort_keys=True, ensure_ascii=True)
        except (TypeError, ValueError):
            return None
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=16).hexdigest() if asked else None
