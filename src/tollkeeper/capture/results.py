"""Results that are fetched long after they were made: each is a call of its own, counted once however often read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tollkeeper.capture.contract import Request, Surface
from tollkeeper.capture.identity import response_call_id
from tollkeeper.model import Call, Operation
from tollkeeper.model.usage import NOTHING

Identify = Callable[[Any], Operation | None]
ReadResult = Callable[[Call, Any], bool]


def read_nothing(call: Call, body: Mapping[str, Any]) -> None:
    """The request names what to fetch, and nothing that the conventions know."""


def results_surface(read_result: ReadResult, fold_lines: bool) -> Surface:
    """The surface of a download of results. `read_result` fills in the call of one result, or says that it is none."""

    def read_response(call: Call, answer: Any) -> None:
        """The download itself used nothing."""

    def results(request: Request, lines: Iterable[Any]) -> None:
        request.further += [call for line in lines if (call := _call_of(request.call, line, read_result)) is not None]

    return Surface(
        "batch",
        read_nothing,
        read_response,
        (lambda request: ResultsFold(request, results)) if fold_lines else None,
        results,
    )


def _call_of(fetch: Call, line: Any, read_result: ReadResult) -> Call | None:
    call = Call(
        id="",
        provider=fetch.provider,
        operation="chat",
        started_at=time.time_ns(),
        endpoint=fetch.endpoint,
        server_address=fetch.server_address,
        server_port=fetch.server_port,
        tags=fetch.tags,
        price_context={"processing": "batch"},
        status_code=200,
    )
    if not read_result(call, line) or call.usage == NOTHING or call.response_id is None:
        return None
    call.request_model = call.response_model
    call.id = response_call_id(call.provider, call.response_id)
    return call


class ResultsFold:
    """Reads the results as the caller goes through them: those that he never gets to are not counted."""

    def __init__(self, request: Request, results: Callable[[Request, Iterable[Any]], None]) -> None:
        self._request = request
        self._results = results

    def __call__(self, line: Any) -> bool | None:
        self._results(self._request, (line,))
        return None

    def end(self, call: Call) -> bool:
        return True
