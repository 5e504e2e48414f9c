"""What a request to the clients' port is answered with, and how that goes over the wire (RFC 9112)."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

__all__ = ["CONTINUE", "Response", "head_of"]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Response(NamedTuple):
    """What a request is answered with. `content-length`, `date` and `connection` are added by `head_of`."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def head_of(response: Response, now_s: int, *, is_1_0: bool, is_last: bool) -> bytes:
    """All that stands before the body.

    Args:
        is_1_0: the client speaks HTTP/1.0, and is answered so.
        is_last: the connection ends with this response.
    """
    beginning = _beginning(response.status, response.headers, is_1_0, is_last)
    return b"%b%b%d\r\n\r\n" % (beginning, _date(now_s), len(response.body))


@lru_cache(maxsize=1024)
def _beginning(status: int, headers: tuple[tuple[str, str], ...], is_1_0: bool, is_last: bool) -> bytes:
    # The same few again and again.
    lines = [f"HTTP/1.{0 if is_1_0 else 1} {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if is_last:
        lines.append("connection: close")
    elif is_1_0:
        lines.append("connection: keep-alive")
    return "\r\n".join([*lines, ""]).encode("ascii")


@lru_cache(maxsize=4)
def _date(now_s: int) -> bytes:
    # Once a second. RFC 9110, section 6.6.1: who has a clock says what it shows.
    return f"date: {formatdate(now_s, usegmt=True)}\r\ncontent-length: ".encode("ascii")
