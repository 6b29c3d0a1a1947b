"""Failures as the OpenAI API words them."""

from typing import Any

from starlette.responses import JSONResponse

from core.errors import (
    ApprenticeError,
    Busy,
    DiskFull,
    DocumentRefused,
    IndexDamaged,
    InvalidInput,
    NotFound,
    PromptTooLong,
    ServingUnavailable,
    StoreUnavailable,
    UnknownModel,
)


class Unauthorized(ApprenticeError):
    """The key is missing or wrong."""


class Forbidden(ApprenticeError):
    """The request was meant for another host."""


class Unsupported(ApprenticeError):
    """The request is no JSON."""


INTERNAL = "internal_error"
_OF_THE_SERVER = (INTERNAL, "store_unavailable", "engine_unavailable", "index_damaged", "disk_full")
STATUS: dict[type[ApprenticeError], tuple[int, str]] = {
    Unauthorized: (401, "invalid_api_key"),
    Forbidden: (403, "wrong_host"),
    Unsupported: (415, "not_json"),
    UnknownModel: (404, "model_not_found"),
    NotFound: (404, "not_found"),
    PromptTooLong: (400, "context_length_exceeded"),
    InvalidInput: (400, "invalid_request"),
    DocumentRefused: (422, "document_refused"),
    Busy: (429, "busy"),
    IndexDamaged: (500, "index_damaged"),
    DiskFull: (507, "disk_full"),
    StoreUnavailable: (503, "store_unavailable"),
    ServingUnavailable: (503, "engine_unavailable"),
}


def failure(error: ApprenticeError) -> JSONResponse:
    """The response to a request that failed."""
    status, code = STATUS.get(type(error), (500, "failed"))
    response = JSONResponse(error_body(code, str(error)), status_code=status)
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def broken(error: Exception) -> dict[str, Any]:
    """What is said in a stream that has begun."""
    if isinstance(error, ApprenticeError):
        return error_body(STATUS.get(type(error), (500, "failed"))[1], str(error))
    return error_body(INTERNAL, "the answer broke off; please try again.")


def error_body(code: str, message: str) -> dict[str, Any]:
    """The body of a failure."""
    server = code in _OF_THE_SERVER
    kind = "server_error" if server else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
