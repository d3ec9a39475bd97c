"""What is said to a request that cannot be answered: what was wrong, where, and what was expected."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from tollkeeper.model.calendar import TooManyIntervals
from tollkeeper.sidecar.api.answer import Answer
from tollkeeper.storage.counters import CountersUnavailable
from tollkeeper.storage.ledger import LedgerUnavailable
from tollkeeper.storage.ledger.failures import Refused as Unacceptable

logger = logging.getLogger(__name__)

SHOWN = 200
"""The most characters of a wrong value that are repeated."""
RETRY_AFTER_SECONDS = "5"

EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "decimal_parsing": "a number",
    "decimal_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "an object",
    "model_attributes_type": "an object",
}
"""What pydantic's complaints mean, in fewer words than it has for them."""


class Problem(BaseModel):
    """One thing that is wrong."""

    message: str = Field(description="In words.", examples=["days is 'many'; expected a whole number"])
    field: str | None = Field(default=None, description="The parameter or the field of the body.", examples=["days"])
    value: Any = Field(default=None, description="What it was.", examples=["many"])
    expected: str | None = Field(default=None, description="What it could have been.", examples=["a whole number"])


class Refusal(BaseModel):
    """The body of every answer that is an error."""

    error: Problem
    others: list[Problem] = Field(default=[], description="What else is wrong with the request.")


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        problem: Problem,
        headers: Mapping[str, str] | None = None,
        others: Sequence[Problem] = (),
    ) -> None:
        super().__init__(problem.message)
        self.others = others
        self.status = status
        self.problem = problem
        self.headers = headers


def wrong(field: str, value: Any, expected: str, status: int = 422) -> Refused:
    """A value that is not what it should be."""
    return Refused(status, _problem(field, value, expected))


def mistaken(field: str, expected: str) -> Refused:
    """The same of a value that must not be repeated."""
    problem = Problem(message=f"{field} is not as it should be; expected {expected}", field=field, expected=expected)
    return Refused(422, problem)


def missing(what: str, value: str) -> Refused:
    """Something that is not there."""
    return Refused(404, Problem(message=f"there is no {what} {shown(value)!r}", field=what, value=shown(value)))


def instead(name: str, known: Sequence[str]) -> str:
    """What somebody may have meant."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}" if known else "none here"


def shown(value: Any) -> Any:
    """A value to repeat: not longer than needed to recognise it."""
    if value is None or isinstance(value, bool | int) or isinstance(value, float) and math.isfinite(value):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _problem(field: str, value: Any, expected: str) -> Problem:
    told = shown(value)
    said = "missing" if value is None else repr(told)
    return Problem(message=f"{field} is {said}; expected {expected}", field=field, value=told, expected=expected)


def told_by_pydantic(errors: Sequence[Mapping[str, Any]], known: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Pydantic's complaints as ours. `known` are the names that there are in the query."""
    return [_translated(error, known) for error in errors]


def _translated(error: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> Problem:
    place, *path = [str(part) for part in error["loc"]] or ["body"]
    field = ".".join(path) or place
    if error["type"] == "extra_forbidden":
        names = known.get(place, ())
        return Problem(
            message=f"there is no {field!r} here; {instead(path[-1] if path else field, names)}",
            field=field,
            value=shown(error.get("input")),
            expected=instead(path[-1] if path else field, names),
        )
    if error["type"] == "missing":
        return _problem(field, None, "a value")
    if error["type"] == "json_invalid":
        return Problem(message="the body is not valid JSON", field="body", expected="a JSON object")
    if error["type"] in EXPECTED:
        return _problem(field, error.get("input"), EXPECTED[error["type"]])
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return _problem(field, error.get("input"), said[:1].lower() + said[1:])


def install(app: FastAPI) -> None:
    """Answer every refusal in the one form."""

    async def refused(_: Request, refusal: Exception) -> Answer:
        assert isinstance(refusal, Refused)
        return Answer(Refusal(error=refusal.problem, others=list(refusal.others)), refusal.status, refusal.headers)

    async def of_http(_: Request, error: Exception) -> Answer:
        assert isinstance(error, HTTPException)
        return Answer(Refusal(error=Problem(message=str(error.detail))), error.status_code, error.headers)

    async def invalid(request: Request, error: Exception) -> Answer:
        assert isinstance(error, RequestValidationError)
        first, *others = told_by_pydantic(error.errors(), {"query": query_names(request), "body": body_names(request)})
        return Answer(Refusal(error=first, others=others), 422)

    async def unavailable(_: Request, error: Exception) -> Answer:
        logger.warning("the database cannot be used: %s", error)
        problem = Problem(message="the database cannot be used just now; to be repeated")
        return Answer(Refusal(error=problem), 503, {"Retry-After": RETRY_AFTER_SECONDS})

    async def uncountable(_: Request, error: Exception) -> Answer:
        problem = Problem(message=f"the counters cannot be used just now; to be repeated: {error}")
        return Answer(Refusal(error=problem), 503, {"Retry-After": RETRY_AFTER_SECONDS})

    async def unacceptable(_: Request, error: Exception) -> Answer:
        problem = Problem(message="the database does not take one of the values; expected texts without control codes")
        return Answer(Refusal(error=problem), 422)

    async def too_long(_: Request, error: Exception) -> Answer:
        return Answer(Refusal(error=Problem(message=str(error), field="start", expected="a shorter range")), 422)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(TooManyIntervals, too_long)
    app.add_exception_handler(CountersUnavailable, uncountable)
    for kind in (LedgerUnavailable, OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(kind, unavailable)
    for refusal in (Unacceptable, DataError):
        app.add_exception_handler(refusal, unacceptable)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, invalid)


def query_names(request: Request) -> list[str]:
    """The query parameters of the operation that a request is for, as the OpenAPI document lists them."""
    operation = _operation(request)
    return [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]


def body_names(request: Request) -> list[str]:
    """The fields of the body of the operation that a request is for."""
    content = _operation(request).get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    schemas = request.app.openapi()["components"]["schemas"]
    return list(schemas.get(reference.rpartition("/")[2], {}).get("properties", ()))


def _operation(request: Request) -> Mapping[str, Any]:
    route = request.scope.get("route")
    paths: Mapping[str, Mapping[str, Any]] = request.app.openapi()["paths"]
    found: Mapping[str, Any] = paths.get(getattr(route, "path", "").replace(":path}", "}"), {}).get(
        request.method.lower(), {}
    )
    return found


def refuse_unknown_parameters(request: Request) -> None:
    """A parameter that nobody reads would be a filter that does not filter."""
    known = query_names(request)
    for name, value in request.query_params.items():
        if name not in known:
            hint = instead(name, known)
            raise Refused(
                422,
                Problem(message=f"there is no parameter {name!r} here; {hint}", field=name, value=shown(value),
                        expected=hint),
            )  # fmt: skip
