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
    Unforeseen,
    UnknownModel,
)


class Unauthorized(ApprenticeError):
    """The key is missing or wrong."""

    code = "invalid_api_key"


class Forbidden(ApprenticeError):
    """The request was meant for another host."""

    code = "wrong_host"


class Unsupported(ApprenticeError):
    """The request is no JSON."""

    code = "not_json"


STATUS: dict[type[ApprenticeError], int] = {
    Unauthorized: 401,
    Forbidden: 403,
    Unsupported: 415,
    UnknownModel: 404,
    NotFound: 404,
    PromptTooLong: 400,
    InvalidInput: 400,
    DocumentRefused: 422,
    Busy: 429,
    IndexDamaged: 500,
    DiskFull: 507,
    StoreUnavailable: 503,
    ServingUnavailable: 503,
}


def failure(error: ApprenticeError) -> JSONResponse:
    """The response to a request that failed."""
    response = JSONResponse(_body(error), status_code=_status(error))
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def broken(error: Exception) -> dict[str, Any]:
    """What is said in a stream that has begun."""
    known = isinstance(error, ApprenticeError)
    return _body(error if known else Unforeseen("the answer broke off; please try again.", "broke_off"))


def _body(error: ApprenticeError) -> dict[str, Any]:
    """A failure's body; what its sentence holds stands beside it, for who says it in another language."""
    kind = "server_error" if _status(error) >= 500 else "invalid_request_error"
    body = {"error": {"message": str(error), "type": kind, "param": None, "code": error.code}}
    return body | {"apprentice": error.values} if error.values else body


def _status(error: ApprenticeError) -> int:
    return STATUS.get(type(error), 500)
