"""What is answered, in the request's own form: protobuf or JSON, and the trailers of gRPC."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from tollkeeper.sidecar.receive.harvest import Harvest
from tollkeeper.sidecar.receive.signals import Form, Signal

CONTENT_TYPES: dict[Form, str] = {"protobuf": "application/x-protobuf", "json": "application/json"}
FORMS: dict[str, Form] = {content_type: form for form, content_type in CONTENT_TYPES.items()}

INVALID_ARGUMENT = 3
NOT_FOUND = 5
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12
UNAVAILABLE = 14
UNAUTHENTICATED = 16

LONGEST_MESSAGE = 400
"""All trailers of gRPC together have to stay below 8 KiB, and hold the message three times."""


class Refusal(NamedTuple):
    """A request that was not taken. `code` is gRPC's; `retry_after`, in seconds, is only for what may be sent again."""

    status: int
    code: int
    said: str
    retry_after: int | None = None

    @property
    def message(self) -> str:
        """In ASCII, and short: it has to go into headers too."""
        return self.said[:LONGEST_MESSAGE].encode("ascii", "replace").decode()


def success(signal: Signal, form: Form, harvest: Harvest) -> bytes:
    """The answer to a request that was taken, whole or without the records that were rejected."""
    if form == "json":
        if not harvest.rejected:
            return b"{}"
        # In JSON, whole numbers of 64 bits are texts.
        partial = {signal.rejected_json: str(harvest.rejected), "errorMessage": harvest.message}
        return json.dumps({"partialSuccess": partial}).encode()
    if not harvest.rejected:
        return b""
    response = signal.response()
    setattr(response.partial_success, signal.rejected, harvest.rejected)
    response.partial_success.error_message = harvest.message
    encoded: bytes = response.SerializeToString()
    return encoded


def refusal_body(refusal: Refusal, form: Form) -> bytes:
    """A `google.rpc.Status`."""
    if form == "json":
        said: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
        if refusal.status == 400:
            violation = {"description": said["message"]}
            said["details"] = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
        return json.dumps(said).encode()
    encoded: bytes = _status(refusal).SerializeToString()
    return encoded


def trailers(refusal: Refusal) -> tuple[tuple[str, bytes], ...]:
    """gRPC's details of a refusal. Clients look for the pause in one of two places, so it is in both."""
    details = (("grpc-status-details-bin", _status(refusal).SerializeToString()),)
    if refusal.retry_after is None:
        return details
    return (*details, ("google.rpc.retryinfo-bin", _retry_info(refusal.retry_after).SerializeToString()))


def _status(refusal: Refusal) -> Status:
    message = refusal.message
    details = []
    if refusal.status == 400:
        details.append(_packed(BadRequest(field_violations=[BadRequest.FieldViolation(description=message)])))
    if refusal.retry_after is not None:
        details.append(_packed(_retry_info(refusal.retry_after)))
    return Status(code=refusal.code, message=message, details=details)


def _retry_info(seconds: int) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.seconds = seconds
    return info


def _packed(message: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
