"""Bytes of one connection into requests, within bounds. No socket and no clock here.

llhttp (through httptools) reads HTTP/1.1 by the letter: contradictory lengths, bare line ends and unknown versions are
errors (RFC 9112). The bounds are ours: bytes and number of headers, bytes of a body, requests in one packet. So is what
keeps web pages out, which may send what they like in a person's name to a host on that person's network: who they are
stands in `Origin`, and the bodies that a page may send unasked are never JSON.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from quorate.core.messages import BODY_BYTES_MAX
from quorate.errors import (
    HeadTooLargeError,
    MalformedRequestError,
    OriginNotAllowedError,
    QuorateError,
    RequestTooLargeError,
)
from quorate.host.response import Response

__all__ = ["Request", "RequestReader"]

HEAD_BYTES_MAX: Final = 16 * 1024  # a client of ours sends 300; browsers and proxies a few thousand
HEADERS_MAX: Final = 64
CHUNKED_BYTES_MAX: Final = 8 * BODY_BYTES_MAX  # a body in chunks of one byte has six times its size
PIPELINED_MAX: Final = 16  # requests that come in one packet; who sends more has to ask again

# RFC 9110, section 7.2: a name or an address, and perhaps a port. Not empty, as in no http address, and no comma: two
# of them that a proxy has joined.
_HOST: Final = re.compile(rb"(?:[a-z0-9._~%-]+|\[[0-9a-f:.]+\])(?::[0-9]{0,5})?")
_JSON: Final = b"application/json"
_ORIGIN_SHOWN: Final = 100


class Request:
    """One request.

    Attributes:
        path: of its target, without the query.
        refusal: its answer, where it got one before it was whole.
        is_last: the connection ends with its answer.
        is_unread: something of it may still come, and is dropped.
        is_1_0: its client speaks HTTP/1.0.
    """

    __slots__ = ("body", "is_1_0", "is_last", "is_unread", "method", "path", "refusal")

    def __init__(self, method: str, path: str, *, is_last: bool, is_1_0: bool = False) -> None:
        self.method, self.path, self.body = method, path, b""
        self.is_last, self.is_1_0, self.is_unread = is_last, is_1_0, False
        self.refusal: Response | None = None


class RequestReader:
    """The reading half of a connection.

    Args:
        at_head: asked with method, path and length (None: in chunks) before a body is read; a refusal, or None.
        refuse: makes the answer to what is no request.

    Attributes:
        requests: whole or refused, in order, for whoever answers them to take away.
        coming: the request whose body is not whole.
        expects: its client waits to be told that the body is wanted.
        has_begun: bytes of the next request have come.
        is_deaf: nothing more is parsed; the last of `requests` ends the connection.
    """

    def __init__(
        self, at_head: Callable[[str, str, int | None], Response | None], refuse: Callable[[QuorateError], Response]
    ) -> None:
        self._at_head = at_head
        self._refusal = refuse
        self.requests: list[Request] = []
        self.is_deaf = False
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._fed = self._head_bytes = self._headers = 0
        self._length: int | None = None
        self._is_chunked = self.expects = self._has_host = self._has_type = self._is_other_type = False
        self.coming: Request | None = None

    @property
    def has_begun(self) -> bool:
        return self._fed > 0

    def feed(self, data: bytes) -> None:
        """What has come. Raises nothing but our own mistakes."""
        parser = self._parser
        if parser is None or self.is_deaf:
            return
        self._fed += len(data)
        try:
            parser.feed_data(data)
        except HttpParserUpgrade:  # the request itself is answered as any other: the offer is passed over
            self.is_deaf = True
            self.requests[-1].is_last = self.requests[-1].is_unread = True
        except HttpParserError as fault:
            self._stopped(fault)
        else:
            self._check_size()

    def end(self) -> None:
        """Nothing more will come."""
        if self.coming is not None and not self.is_deaf:
            whole = "" if self._length is None else f" of {self._length}"
            self.refuse(MalformedRequestError(reason=f"the body ended after {len(self.coming.body)}{whole} bytes"))

    def refuse(self, fault: QuorateError) -> None:
        """Tell this as the last thing; parse no more."""
        self.is_deaf = True
        request = Request("", "", is_last=True)
        request.is_unread = True
        request.refusal = self._refusal(fault)
        self.requests.append(request)

    def close(self) -> None:
        """Let go of the parser, which knows this reader: a circle ends here."""
        self.is_deaf = True
        self._parser = None
        self.requests.clear()

    # --- called by the parser ----------------------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header, or trailer."""
        self._headers += 1
        self._count_head(len(name) + len(value) + 4)
        noted = _NOTED.get(name.lower())
        if noted is not None and self.coming is None:  # a trailer changes nothing any more
            noted(self, value.strip(b" \t").lower())

    def on_headers_complete(self) -> None:
        """The head is whole: is the rest wanted?"""
        parser = self._parser
        assert parser is not None, "it calls"  # noqa: S101  (our own mistake only)
        version = parser.get_http_version()
        if version not in ("1.1", "1.0") or (version == "1.0" and self._is_chunked):
            raise self._enough(MalformedRequestError(reason="it is not HTTP/1.1"))
        if version == "1.1" and not self._has_host:
            raise self._enough(MalformedRequestError(reason="it has no Host header"))
        has_body = self._is_chunked or bool(self._length)
        if has_body and parser.should_upgrade():  # llhttp would take the body for the other protocol
            raise self._enough(MalformedRequestError(reason="no other protocol is spoken here"))
        method, path = parser.get_method().decode("ascii"), _path(self._url)
        is_last = not parser.should_keep_alive()
        refusal = self._at_head(method, path, None if self._is_chunked else self._length or 0)
        if refusal is None and self._is_other_type:  # what is nowhere is told as that, whatever was sent there
            raise self._enough(MalformedRequestError(reason="its content-type is not application/json"))
        self.coming = request = Request(method, path, is_last=is_last, is_1_0=version == "1.0")
        self.expects = self.expects and not request.is_1_0
        request.refusal = refusal
        if request.refusal is not None and has_body:
            request.is_last = request.is_unread = True
            self.requests.append(request)
            raise self._enough()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        request = self.coming
        assert request is not None, "a body has a head"  # noqa: S101  (our own mistake only)
        request.body = request.body + body if request.body else body
        if len(request.body) > BODY_BYTES_MAX:
            raise self._enough(RequestTooLargeError(body_bytes_max=BODY_BYTES_MAX))

    def on_message_complete(self) -> None:
        """The request is whole."""
        request = self.coming
        assert request is not None, "it has a head"  # noqa: S101  (our own mistake only)
        self.requests.append(request)
        self._begin()
        if request.is_last:
            self.is_deaf = True
        elif len(self.requests) >= PIPELINED_MAX:
            request.is_last = request.is_unread = True
            raise self._enough()

    def note_length(self, value: bytes) -> None:
        """`content-length`: digits. A second one is refused by llhttp."""
        if not value.isdigit() or len(value) > 18:
            raise self._enough(MalformedRequestError(reason="its content-length is no number"))
        self._length = int(value)

    def note_encoding(self, value: bytes) -> None:
        """`transfer-encoding`: chunks and nothing else. A length beside it is refused by llhttp."""
        if value != b"chunked" or self._is_chunked:
            raise self._enough(MalformedRequestError(reason="its transfer-encoding is not chunked"))
        self._is_chunked = True

    def note_host(self, value: bytes) -> None:
        """`host`: exactly one, of any name (RFC 9112, section 3.2)."""
        if self._has_host or not _is_host(value):
            raise self._enough(MalformedRequestError(reason="its Host header is doubled, or names no host"))
        self._has_host = True

    def note_type(self, value: bytes) -> None:
        """`content-type`: JSON where it is said at all. A page may send forms and plain text to whom it likes."""
        self._is_other_type |= self._has_type or (value != _JSON and value.partition(b";")[0].rstrip(b" \t") != _JSON)
        self._has_type = True

    def note_origin(self, value: bytes) -> None:
        """`origin`: a browser says which page it acts for; none has anything to ask here."""
        shown = "".join(c if c.isprintable() else "?" for c in value.decode("latin-1"))[:_ORIGIN_SHOWN]
        raise self._enough(OriginNotAllowedError(origin=shown or "nowhere"))

    def note_expectation(self, value: bytes) -> None:
        """`expect`: anything else than this may be passed over (RFC 9110, section 10.1.1)."""
        self.expects = value == b"100-continue"

    # --- bounds ------------------------------------------------------------------------------------------------------

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX or self._headers > HEADERS_MAX:
            raise self._enough(_head_too_large())

    def _stopped(self, fault: HttpParserError) -> None:
        if self.is_deaf:  # it was us who stopped it
            return
        if isinstance(fault, HttpParserCallbackError) and not isinstance(fault.__context__, HttpParserError):
            raise fault
        self.refuse(MalformedRequestError(reason=f"this is no HTTP: {fault}"))

    def _check_size(self) -> None:
        """What the parser holds back until it is whole counts too: a header's value, a trailer."""
        if self.is_deaf:
            return
        if self.coming is None:
            if self._fed > HEAD_BYTES_MAX:
                self.refuse(_head_too_large())
        elif self._fed > HEAD_BYTES_MAX + CHUNKED_BYTES_MAX:
            self.refuse(RequestTooLargeError(body_bytes_max=BODY_BYTES_MAX))

    def _enough(self, fault: QuorateError | None = None) -> _EnoughError:
        """To be raised in a call of the parser's, so that it stops."""
        self.is_deaf = True
        if fault is not None:
            self.refuse(fault)
        return _EnoughError()


class _EnoughError(Exception):
    """Never leaves `RequestReader.feed`."""


_NOTED: Final[dict[bytes, Callable[[RequestReader, bytes], None]]] = {
    b"content-length": RequestReader.note_length,
    b"transfer-encoding": RequestReader.note_encoding,
    b"expect": RequestReader.note_expectation,
    b"host": RequestReader.note_host,
    b"content-type": RequestReader.note_type,
    b"origin": RequestReader.note_origin,
}


@lru_cache(maxsize=64)  # nearly all call it the same
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _head_too_large() -> HeadTooLargeError:
    return HeadTooLargeError(head_bytes_max=HEAD_BYTES_MAX, headers_max=HEADERS_MAX)


def _path(url: bytes) -> str:
    """The path of a request's target, without its query; of the absolute form as well, which proxies are sent."""
    if not url.startswith(b"/"):
        with contextlib.suppress(HttpParserError):  # `*`, or what CONNECT takes: nothing is there
            url = parse_url(url).path or b"/"
    return url.partition(b"?")[0].decode("latin-1")
