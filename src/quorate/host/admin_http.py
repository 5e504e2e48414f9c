"""What the endpoints of administration share: bodies within bounds, numbers, JSON, and errors as problem details."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from quorate.core.messages import Problem, decode_strict
from quorate.errors import (
    InternalFaultError,
    MalformedError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    QuorateError,
    RequestTimeoutError,
    RequestTooLargeError,
    UnauthorizedError,
)

__all__ = [
    "BODY_BYTES_MAX",
    "body_of",
    "decoded",
    "fault_answer",
    "json_answer",
    "not_found",
    "number_of",
    "problem_answer",
    "source_of_request",
    "streamed_answer",
    "told_answer",
    "wrong_method",
]

BODY_BYTES_MAX = 64 * 1024
ROWS_AT_ONCE = 100  # of a streamed list: some 50 KB
BODY_S = 30  # four megabytes over a slow line
_V4_MAPPED = "::ffff:"
_T = TypeVar("_T")


def source_of_request(request: Request) -> str:
    """The address of the other side, as this machine's kernel knows it; no header is believed."""
    address = request.client.host if request.client is not None else ""
    return address.strip("[]").removeprefix(_V4_MAPPED)


async def body_of(request: Request, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """All of the body, if it comes in time.

    Raises:
        RequestTooLargeError, RequestTimeoutError
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > bytes_max:
                    raise RequestTooLargeError(body_bytes_max=bytes_max)
    except TimeoutError:
        raise RequestTimeoutError(timeout_s=BODY_S) from None
    return bytes(body)


def decoded(body: bytes, shape: type[_T]) -> _T:
    """The body as that shape; an empty one is an empty object.

    Raises:
        MalformedRequestError: another one, or one that names a member twice: two readers could take different ones.
    """
    try:
        return decode_strict(msgspec.json.Decoder(shape), body or b"{}", "the body")
    except MalformedError as fault:
        raise MalformedRequestError(reason=str(fault.values["reason"])) from None


def number_of(text: str | None, name: str, low: int, high: int) -> int | None:
    """A number in a query.

    Raises:
        MalformedRequestError
    """
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise MalformedRequestError(reason=f"{name} is a whole number, {low}..{high}")
    return int(text)


def json_answer(value: Any, status: int = 200) -> Response:
    """An object as JSON."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


async def streamed_answer(before: bytes, rows: Iterator[Any], after: Callable[[], bytes]) -> Response:
    """A list as JSON, sent while it is read: some of its rows are in memory at a time, however many it has.

    Args:
        before, after: the JSON around the rows; `after` is asked when all of them have been read.

    Raises:
        What reading the first rows raises: then nothing was sent. A fault further on breaks the connection.
    """
    parts = _parts(before, rows, after)
    first = await run_in_threadpool(next, parts)
    return StreamingResponse(chain([first], parts), media_type="application/json")


def _parts(before: bytes, rows: Iterator[Any], after: Callable[[], bytes]) -> Iterator[bytes]:
    encoded = map(msgspec.json.encode, rows)
    part = b",".join(islice(encoded, ROWS_AT_ONCE))
    yield before + part
    while part:
        part = b",".join(islice(encoded, ROWS_AT_ONCE))
        if part:
            yield b"," + part
    yield after()


def problem_answer(fault: QuorateError, headers: dict[str, str] | None = None) -> Response:
    """An error as problem details (RFC 9457). 409: what was asked for is not possible as this host stands."""
    body = msgspec.json.encode(Problem.of(fault))
    is_ours = isinstance(fault, InternalFaultError)
    status = 409 if fault.http_status == InternalFaultError.http_status and not is_ours else fault.http_status
    return Response(body, status_code=status, media_type="application/problem+json", headers=headers)


async def told_answer(request: Request, fault: Exception) -> Response:
    """What an endpoint raised."""
    if not isinstance(fault, QuorateError):
        return await fault_answer(request, fault)
    headers = {}
    if fault.http_status == UnauthorizedError.http_status:
        headers["www-authenticate"] = "Bearer"
    retry = fault.values.get("retry_after_s")
    if retry is not None:
        headers["retry-after"] = str(retry)
    return problem_answer(fault, headers)


async def not_found(request: Request, fault: Exception) -> Response:
    """No such place."""
    return problem_answer(NotFoundError(path=request.url.path[:100]))


async def wrong_method(request: Request, fault: Exception) -> Response:
    """A place, and not for that."""
    allowed = (getattr(fault, "headers", None) or {}).get("Allow", "another method")
    return problem_answer(MethodNotAllowedError(path=request.url.path[:100], allowed=allowed), {"allow": allowed})


async def fault_answer(request: Request, fault: Exception) -> Response:
    """A mistake of ours."""
    structlog.get_logger("quorate.host.admin").error("request_failed", path=request.url.path[:100], exc_info=fault)
    return problem_answer(InternalFaultError())
