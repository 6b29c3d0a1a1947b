"""What the pages' scripts send, and are sent: a JSON body in, one JSON object a line out."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from core.errors import ApprenticeError, InvalidInput

MAX_BODY = 2**20
Line = dict[str, Any]

T = TypeVar("T", bound=BaseModel)


async def sent(request: Request, model: type[T]) -> T:
    """The body of a request.

    Raises: InvalidInput where it is too long, or no such body.
    """
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_BODY:
            raise InvalidInput("the message is too long; send it in parts.")
    try:
        return model.model_validate_json(raw)
    except ValidationError:
        raise InvalidInput("the console did not understand this page; load it again.") from None


async def streamed(lines: AsyncIterator[Line]) -> Response:
    """One JSON object a line, from the moment there is a first; what fails later is a line of type `failed`.

    Raises: what comes instead of the first line.
    """
    first = await anext(lines)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_written(first, lines), media_type="application/x-ndjson", headers=headers)


async def _written(first: Line, lines: AsyncIterator[Line]) -> AsyncIterator[str]:
    async with aclosing(lines):
        yield _line(first)
        try:
            async for line in lines:
                yield _line(line)
        except ApprenticeError as error:
            yield _line({"type": "failed", "error": str(error)})


def _line(body: Line) -> str:
    return json.dumps(body, ensure_ascii=False) + "\n"
