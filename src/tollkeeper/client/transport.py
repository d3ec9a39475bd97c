"""Where questions are sent: an HTTP address or a unix socket. httpx2 comes with genai-prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

import httpx2

from tollkeeper.client.ask import Ask
from tollkeeper.client.errors import ApiError, Unreachable
from tollkeeper.config.client import api_access
from tollkeeper.version import __version__

T = TypeVar("T")

TIMEOUT_SECONDS = 30.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Address(NamedTuple):
    """`socket` is the path of a unix socket. A proxy is for other machines than this one."""

    url: str
    socket: str | None = None
    may_use_proxy: bool = False


def address_of(url: str) -> Address:
    """Raises `ValueError` for what is no address."""
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return Address("http://localhost", parts.path)
    if parts.scheme in ("http", "https") and parts.hostname:
        return Address(url.rstrip("/"), None, parts.hostname not in LOOPBACK)
    raise ValueError(f"{url!r} is no address of a sidecar; expected http://HOST:PORT or unix:///PATH")


class _Connection:
    """What both clients know: where, with which key, and how errors are told."""

    def __init__(self, url: str | None, key: str | None) -> None:
        self.url, key = api_access(url, key)
        self._address = address_of(self.url)
        self._headers = {"Accept": "application/json", "User-Agent": f"tollkeeper/{__version__}"}
        if key:
            # Here, as the HTTP library would repeat it in its own complaint.
            if not (key.isascii() and key.isprintable()):
                raise ValueError("the key is no text of one line; expected one as it was shown, tk_…")
            self._headers["Authorization"] = f"Bearer {key}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _options(self, ask: Ask[Any]) -> dict[str, Any]:
        sent = ask.content()
        headers = {**ask.headers, **({} if sent is None else {"Content-Type": "application/json"})}
        return {
            "method": ask.method,
            "url": ask.target,
            "params": list(ask.query),
            "content": sent,
            "headers": headers,
        }

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException as error:
            raise Unreachable(None, f"no answer from {self.url} in time") from error
        except httpx2.TransportError as error:
            raise Unreachable(None, f"nobody answers at {self.url}: {error}") from error
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise ApiError(None, f"cannot ask {self.url}: {error}") from error


class Connection(_Connection):
    """Waits for answers. Can be shared between threads; a context manager, or `close()` it."""

    def __init__(self, url: str | None = None, key: str | None = None, timeout: float = TIMEOUT_SECONDS) -> None:
        super().__init__(url, key)
        where = self._address
        transport = httpx2.HTTPTransport(uds=where.socket) if where.socket else None
        self._http = httpx2.Client(
            base_url=where.url, headers=self._headers, timeout=timeout, transport=transport,
            trust_env=where.may_use_proxy,
        )  # fmt: skip

    def send(self, ask: Ask[T]) -> T:
        with self._telling():
            answer = self._http.request(**self._options(ask))
        return ask.understand(answer.status_code, answer.headers, answer.content)

    def fetch(self, ask: Ask[Any]) -> str:
        """The answer as it came, once it is known to be one."""
        with self._telling():
            answer = self._http.request(**self._options(ask))
        ask.understand(answer.status_code, answer.headers, answer.content)
        return answer.text

    def save(self, ask: Ask[bytes], file: IO[bytes]) -> Mapping[str, str]:
        """Write a file as it comes, however long it is. Returns the answer's headers; their names are in lower case."""
        with self._telling(), self._http.stream(**self._options(ask)) as answer:
            if answer.status_code >= 400:
                ask.understand(answer.status_code, answer.headers, answer.read())
            for part in answer.iter_bytes():
                file.write(part)
        return {name.lower(): value for name, value in answer.headers.items()}

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class AsyncConnection(_Connection):
    """Its answers are awaited. An async context manager, or await `aclose()`."""

    def __init__(self, url: str | None = None, key: str | None = None, timeout: float = TIMEOUT_SECONDS) -> None:
        super().__init__(url, key)
        where = self._address
        transport = httpx2.AsyncHTTPTransport(uds=where.socket) if where.socket else None
        self._http = httpx2.AsyncClient(
            base_url=where.url, headers=self._headers, timeout=timeout, transport=transport,
            trust_env=where.may_use_proxy,
        )  # fmt: skip

    async def send(self, ask: Ask[T]) -> T:
        with self._telling():
            answer = await self._http.request(**self._options(ask))
        return ask.understand(answer.status_code, answer.headers, answer.content)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()
