"""The opt-in capture of prompts and answers, on spans, events or both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tollkeeper.capture.observation import Observation
from tollkeeper.config import ContentMode
from tollkeeper.telemetry.content import content_attributes


def unchanged(text: str) -> str:
    return text


class ContentCapture:
    """What content of a call goes where. Without a `redact` of the user's, texts are emitted as they are."""

    def __init__(self, mode: ContentMode, redact: Callable[[str], str] | None) -> None:
        self.on_spans = mode in ("span_only", "span_and_event")
        self.on_events = mode in ("event_only", "span_and_event")
        self._redact = redact or unchanged

    def attributes(self, observation: Observation) -> dict[str, Any]:
        """The content of one call, structured."""
        texts = getattr(observation.fold, "texts", None)
        return content_attributes(
            plain(observation.request.body),
            plain(observation.answer),
            "".join(texts) if texts else None,
            self._redact,
        )


def on_span(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Structured content as JSON texts: older SDKs drop nested values from spans."""
    return {name: json.dumps(value, ensure_ascii=False, default=str) for name, value in attributes.items()}


def plain(value: Any) -> Any:
    """An SDK's model as the JSON value that it stands for."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", exclude_none=True, warnings=False)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
