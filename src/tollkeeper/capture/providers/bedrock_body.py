"""The body of a Bedrock answer: read by the caller, however and whenever he likes, while we read along.

boto3 hands out a `StreamingBody` or an `EventStream` around urllib3's response. Both stay what they are: only the
response inside them is replaced, by one that tells what was read and that it was closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tollkeeper.capture.observation import Observation
from tollkeeper.capture.raw import LARGEST_BODY
from tollkeeper.capture.stream import Tap

TakeBody = Callable[[bytes | None], None]


class Closing:
    """A urllib3 response that tells when it is closed or forgotten, and else is the one that it stands for."""

    def __init__(self, response: Any, observation: Observation) -> None:
        self._response = response
        self._observation = observation

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """`isinstance` shall see the response."""
        return type(self._response)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def close(self) -> None:
        self._observation.end()
        self._response.close()


class ReadAlong(Closing):
    """A response that also keeps what the caller reads of it, and ends the call when that is all."""

    def __init__(self, response: Any, observation: Observation, length: int | None, take_body: TakeBody) -> None:
        super().__init__(response, observation)
        self._length = length
        self._take_body = take_body
        self._pieces: list[bytes] = []
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        return self._along(iter(self._response))

    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        chunk: bytes = self._guarded(self._response.read, amt, *args, **kwargs)
        self._saw(chunk, is_last=amt is None or amt < 0 or (not chunk and amt > 0))
        return chunk

    def read1(self, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        chunk: bytes = self._guarded(self._response.read1, amt, *args, **kwargs)
        self._saw(chunk, is_last=not chunk and amt != 0)
        return chunk

    def readinto(self, buffer: Any) -> int:
        size: int = self._guarded(self._response.readinto, buffer)
        self._saw(bytes(buffer[:size]), is_last=size == 0 and len(buffer) > 0)
        return size

    def readline(self, *args: Any) -> bytes:
        line: bytes = self._guarded(self._response.readline, *args)
        self._saw(line, is_last=not line)
        return line

    def readlines(self, *args: Any) -> list[bytes]:
        lines: list[bytes] = self._guarded(self._response.readlines, *args)
        self._saw(b"".join(lines), is_last=True)
        return lines

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        return self._along(self._response.stream(*args, **kwargs))

    def close(self) -> None:
        self._end()
        self._response.close()

    def _along(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            try:
                chunk = self._guarded(next, chunks)
            except StopIteration:
                self._saw(b"", is_last=True)
                return
            self._saw(chunk, is_last=False)
            yield chunk

    def _guarded(self, read: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return read(*args, **kwargs)
        except StopIteration:
            raise
        except BaseException as error:
            self._end(error)
            raise

    def _saw(self, chunk: bytes, is_last: bool) -> None:
        if self._observation.ended:
            return
        self._size += len(chunk)
        if self._size <= LARGEST_BODY:
            self._pieces.append(chunk)
        else:
            self._pieces.clear()
        if is_last or self._size == self._length:
            self._end()

    def _end(self, error: BaseException | None = None) -> None:
        if not self._observation.ended:
            self._take_body(b"".join(self._pieces) if self._pieces and self._size <= LARGEST_BODY else None)
            self._observation.end(error)

    def __del__(self) -> None:
        observation = self._observation
        if not observation.ended:
            observation.emitter.courier.run(self._end, "end a forgotten body")


class StreamFailure(Exception):
    """An error inside an event stream. botocore raises its own, with the same word, after the message has passed us."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


class EventTap(Tap):
    """A tap on the raw messages of an event stream. A message can be an error: then that was the end."""

    __slots__ = ()

    def _passed(self, chunk: Any) -> bool | None:
        hide = super()._passed(chunk)
        headers = chunk.headers
        if headers.get(":message-type") in ("exception", "error"):
            self._observation.end(StreamFailure(str(headers.get(":exception-type") or headers.get(":error-code"))))
        return hide
