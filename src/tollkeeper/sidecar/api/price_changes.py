"""`POST` and `PATCH /prices…`: what changes the price book. Every change is a new version, and audited."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request

from tollkeeper.pricing import OverlayError
from tollkeeper.sidecar.api.answer import Answer, nanoseconds
from tollkeeper.sidecar.api.auth import author_of
from tollkeeper.sidecar.api.price_models import NewPrice, Price, PriceFields, Signed, Withdrawal, price_of
from tollkeeper.sidecar.api.prices import RowNumber
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused
from tollkeeper.sidecar.api.services import Given
from tollkeeper.sidecar.api.versioned import LARGEST, IfMatch, expected_version
from tollkeeper.sidecar.api.zones import read_moment
from tollkeeper.storage.prices import PriceConflict, UnknownRow

router = APIRouter(
    tags=["prices"],
    responses={
        404: {"model": Refusal, "description": "There is no such row."},
        409: {"model": Refusal, "description": "The book says something else by now."},
    },
)


@router.post("/prices", response_model=Price, status_code=201, summary="Add a row")
def add(request: Request, given: Given, new: NewPrice) -> Answer:
    """A price, an alias or a discount, from now on or from `valid_from`. It takes effect at once, in all sidecars."""
    with refusing():
        version = given.price_book.add(new.kind, new.said(), **new.signature(author_of(request)))
    return Answer(price_of(version), 201, {"Location": f"prices/{version.row}"})


@router.patch("/prices/{row}", response_model=Price, summary="Change a row")
def change(request: Request, given: Given, row: RowNumber, fields: PriceFields, if_match: IfMatch = None) -> Answer:
    """Set some of its fields, from now on or from `valid_from`; null takes a field away.

    A moment that has passed makes it a correction. It does not change what calls cost that are recorded already:
    re-price their period for that.
    """
    with refusing():
        version = given.price_book.change(
            row, fields.said(), **fields.signature(author_of(request)), expected=expected_version(if_match)
        )
    return Answer(price_of(version))


@router.post("/prices/{row}/schedule", response_model=Price, status_code=201, summary="Schedule a change")
def schedule(request: Request, given: Given, row: RowNumber, fields: PriceFields, if_match: IfMatch = None) -> Answer:
    """As a change, at a `valid_from` that is yet to come. Calls are priced at their moment: nothing has to run then."""
    with refusing():
        version = given.price_book.schedule(
            row, fields.said(), **fields.signature(author_of(request)), expected=expected_version(if_match)
        )
    return Answer(price_of(version), 201)


@router.post("/prices/{row}/withdraw", response_model=Price, summary="Withdraw a row")
def withdraw(
    request: Request, given: Given, row: RowNumber, end: Withdrawal, if_match: IfMatch = None
) -> Answer:  # fmt: skip
    """End it, now or at a moment; scheduled changes after that are withdrawn with it. Its history stays."""
    at = None if end.at is None else nanoseconds(read_moment("at", end.at, ZoneInfo("UTC")))
    with refusing():
        version = given.price_book.withdraw(
            row, **end.signature(author_of(request)), at=at, expected=expected_version(if_match)
        )
    return Answer(price_of(version))


@router.post("/prices/versions/{version}/cancel", response_model=Price, summary="Cancel a scheduled change")
def cancel(request: Request, given: Given, version: Annotated[int, Path(ge=1, le=LARGEST)], why: Signed) -> Answer:
    """Undo a change or a withdrawal that is not in force yet: what holds before it goes on."""
    with refusing():
        said = given.price_book.cancel(version, **why.signature(author_of(request)))
    return Answer(price_of(said))


@contextmanager
def refusing() -> Iterator[None]:
    """What the price book does not take, as an answer."""
    try:
        yield
    except UnknownRow as error:
        raise Refused(404, Problem(message=str(error), field="row")) from None
    except PriceConflict as error:
        raise Refused(409, Problem(message=str(error))) from None
    except OverlayError as error:
        first, *others = (_problem(line) for line in str(error).splitlines())
        raise Refused(422, first, others=others) from None


def _problem(line: str) -> Problem:
    """A mistake, as the price book tells it: `where: place: value; expected …`."""
    said, _, expected = line.partition("; expected ")
    _, _, said = said.partition(": ")
    place, _, value = said.partition(": ")
    field = place.rpartition(".")[2] or "body"
    return Problem(message=f"{field} is {value}; expected {expected}", field=field, value=value, expected=expected)
