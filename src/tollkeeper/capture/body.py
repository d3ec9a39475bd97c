"""The size of a request body in bytes, and what is in it that is no text. SDKs' objects are read as plain JSON is."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from tollkeeper.capture.payload import EMPTY

AROUND = 8
"""Bytes counted for each value beside its text: quotes, separators, and a message's own frame."""
DEEPEST = 24

IMAGE, SOUND, FILE = "image", "sound", "file"
KINDS = {
    **dict.fromkeys(("image", "image_url", "input_image"), IMAGE),
    **dict.fromkeys(("input_audio", "audio", "audio_url"), SOUND),
    **dict.fromkeys(
        ("file", "input_file", "document", "document_url", "video", "video_url", "input_video", "container_upload",
         "item_reference"),
        FILE,
    ),
}  # fmt: skip
"""What a part is, by its `type`."""

PLAIN = frozenset((
    "tools", "toolConfig", "arguments", "args", "json", "parameters", "metadata", "labels", "schema", "json_schema",
    "response_format", "response", "logit_bias", "text", "format",
))  # fmt: skip
"""Names under which everything is text, however it looks: a function may have an argument of type `image`."""

PICTURE_DATA = frozenset(("source", "image_url", "data", "url", "file_id", "type", "detail", "format", "bytes"))
"""The fields of a picture that hold it, or name it. Their bytes have nothing to do with its tokens."""

TEXTS = ("text", "content")
"""The sources of an Anthropic document that are plain text."""

SOUNDS = ("wav", "mp3", "mpeg", "pcm")
"""Formats that use more bytes for a second of sound, silence included, than any model uses tokens."""

CACHE_MARKS = frozenset(("cache_control", "cachePoint"))
"""By which Anthropic and Bedrock are told to cache what is before it."""

LEFT_OUT = frozenset(("Omit", "NotGiven"))
"""The SDKs' classes of what was not given: it is not sent."""

UNTOLD_FILE = "it holds a file, of which nobody can tell how many tokens it is"
UNTOLD_SOUND = "it holds sound, of which nobody can tell how many tokens it is"


class Reading:
    """What was found so far. `size` is in bytes of UTF-8, with `AROUND` for each value."""

    __slots__ = ("has_audio", "images", "size", "why", "writes_cache")

    def __init__(self) -> None:
        self.size = self.images = 0
        self.has_audio = self.writes_cache = False
        self.why: str | None = None

    def read(self, value: Any, depth: int = 0) -> None:
        """Add a value of the body."""
        kind = type(value)
        if kind is str:
            self.size += AROUND + (len(value) if value.isascii() else len(value.encode("utf-8", "replace")))
        elif value is None or kind is int or kind is float or kind is bool:
            self.size += AROUND
        elif depth > DEEPEST:
            self.why = "its body is nested too deeply to be read"
        elif kind is dict:
            self._read_fields(value, depth)
        elif kind is list or kind is tuple:
            for item in value:
                self.read(item, depth + 1)
        else:
            self._read_object(value, depth)

    def _read_fields(self, value: Mapping[str, Any], depth: int) -> None:
        kind = value.get("type")
        if type(kind) is str and kind in KINDS and self._read_part(KINDS[kind], value, depth):
            return
        size = 0
        for name, item in value.items():
            size += len(name) if type(name) is str else AROUND
            if type(item) is str and item.isascii():
                size += AROUND + len(item)
            elif name in NAMED:
                NAMED[name](self, item, depth + 1)
            else:
                self.read(item, depth + 1)
        self.size += size

    def _read_part(self, kind: str, part: Mapping[str, Any], depth: int) -> bool:
        """Note what is no text. Says whether that was all of the part."""
        if kind == IMAGE:
            self.images += 1
            self.size += AROUND
            for name, item in part.items():
                if name not in PICTURE_DATA:
                    self.read(item, depth + 1)
            return True
        if kind == SOUND:
            self._sound(fields(part.get("input_audio")).get("format"))
        elif fields(part.get("source")).get("type") not in TEXTS:
            self.why = UNTOLD_FILE
        return False

    def _sound(self, format: Any) -> None:
        self.has_audio = True
        if not (isinstance(format, str) and format.rpartition("/")[2].removeprefix("x-") in SOUNDS):
            self.why = UNTOLD_SOUND

    def _read_object(self, value: Any, depth: int) -> None:
        """What is no plain JSON: SDKs' models, pictures, texts and numbers of other types."""
        if isinstance(value, str):
            self.read(str.__str__(value), depth)
        elif isinstance(value, bytes):
            self.size += AROUND + len(value)
        elif isinstance(value, Mapping):
            self._read_fields(dict(value), depth)
        elif isinstance(value, list | tuple):
            self.read(list(value), depth)
        elif isinstance(value, int | float):
            self.size += AROUND
        elif hasattr(type(value), "model_fields") and not isinstance(value, type):
            said = {name: item for name, item in fields(value).items() if item is not None}
            if "uri" in said:
                self.why = UNTOLD_FILE
            self._read_fields(said, depth)
        elif type(value).__name__ in LEFT_OUT:
            return
        elif type(value).__module__.partition(".")[0] == "PIL":
            self.images += 1
        elif callable(value) or hasattr(value, "__origin__"):
            self._read_definition(value)
        else:
            self.why = f"it holds a {type(value).__name__}, of which nobody can tell how many tokens it is"

    def read_plain(self, value: Any, depth: int) -> None:
        """Add a value in which everything is text."""
        kind = type(value)
        if kind is dict:
            if depth > DEEPEST:
                self.why = "its body is nested too deeply to be read"
                return
            for name, item in value.items():
                self.size += len(name) if type(name) is str else AROUND
                if name in CACHE_MARKS:
                    self.writes_cache = True
                self.read_plain(item, depth + 1)
        elif kind is list or kind is tuple:
            for item in value:
                self.read_plain(item, depth + 1)
        elif hasattr(kind, "model_fields"):
            self.read_plain({name: item for name, item in fields(value).items() if item is not None}, depth + 1)
        else:
            self.read(value, depth)

    def _read_definition(self, value: Any) -> None:
        """A function that is a tool, or a type that is the form of the answer: the SDK sends its schema."""
        try:
            size = definition_size(value)
        except Exception:  # noqa: BLE001  annotations are the caller's, and pydantic may raise anything
            size = None
        if size is None:
            self.why = f"it holds {value!r:.80}, whose schema cannot be told"
        else:
            self.size += size

    def _blob(self, value: Any, depth: int) -> None:
        """Google's `inline_data`: bytes, and what they are."""
        said = fields(value)
        mime = str(said.get("mime_type") or said.get("mimeType") or "")
        if mime.startswith("image/"):
            self.images += 1
            self.size += AROUND
            return
        if mime.startswith("audio/"):
            self._sound(mime)
        elif not mime.startswith("text/"):
            self.why = UNTOLD_FILE
        self.read(said.get("data"), depth)

    def _file(self, value: Any, depth: int) -> None:
        if isinstance(value, Mapping) or hasattr(type(value), "model_fields"):
            self.why = UNTOLD_FILE
        else:
            self.read(value, depth)

    def _cached(self, value: Any, depth: int) -> None:
        """A mark to cache what is before it."""
        self.writes_cache = True
        self.read(value, depth)

    def _earlier_sound(self, value: Any, depth: int) -> None:
        """OpenAI's `audio`: which voice is asked for, or by its id an answer that was spoken before."""
        if fields(value).get("id") is not None:
            self.why = UNTOLD_SOUND
        self.read(value, depth)

    def _image(self, value: Any, depth: int) -> None:
        """Bedrock's `image`: a format, and a source."""
        if isinstance(value, Mapping) and "source" in value:
            self.images += 1
        else:
            self.read(value, depth)

    def _images(self, value: Any, depth: int) -> None:
        """Ollama's `images`: bytes, paths, or base64."""
        if isinstance(value, list | tuple):
            self.images += len(value)
        else:
            self.read(value, depth)

    def _own(self, value: Any, depth: int) -> None:
        """What is for the SDK itself."""

    def _input(self, value: Any, depth: int) -> None:
        """A list or text that is asked, or the arguments of a tool that was called."""
        if isinstance(value, Mapping):
            self.read_plain(value, depth)
        else:
            self.read(value, depth)


NAMED: dict[str, Callable[[Reading, Any, int], None]] = {
    "inline_data": Reading._blob,
    "inlineData": Reading._blob,
    "file_data": Reading._file,
    "fileData": Reading._file,
    "document": Reading._file,
    "video": Reading._file,
    "audio": Reading._earlier_sound,
    "image": Reading._image,
    "images": Reading._images,
    "input": Reading._input,
    **dict.fromkeys(CACHE_MARKS, Reading._cached),
    "http_options": Reading._own,
    **dict.fromkeys(PLAIN, Reading.read_plain),
}
"""Names that say what is under them, whatever its own `type`."""


def fields(value: Any) -> Mapping[str, Any]:
    """The fields of a dict or of an SDK's model, those that it has only been given included; of others none."""
    if isinstance(value, Mapping):
        return value
    if not hasattr(type(value), "model_fields"):
        return EMPTY
    extra = getattr(value, "__pydantic_extra__", None)
    return {**vars(value), **extra} if extra else vars(value)


@lru_cache(maxsize=512)
def definition_size(value: Any) -> int | None:
    """The most bytes of the schema of a function or of a type; `None` where it has none."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        return None

    def schema_of(annotation: Any) -> int:
        return len(json.dumps(pydantic.TypeAdapter(annotation).json_schema()).encode())

    if isinstance(value, type) or hasattr(value, "__origin__"):
        return schema_of(value) * 2
    signature = inspect.signature(value, eval_str=True)
    size = len(f"{getattr(value, '__name__', '')}{inspect.getdoc(value) or ''}".encode())
    annotations = {
        **{name: each.annotation for name, each in signature.parameters.items()},
        "": signature.return_annotation,
    }
    for name, annotation in annotations.items():
        size += 8 * AROUND + len(name) * 2
        size += 0 if annotation is inspect.Parameter.empty else schema_of(annotation) * 2
    return size + sum(len(repr(each.default)) for each in signature.parameters.values())
