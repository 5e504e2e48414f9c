"""The publisher's activation service, asked over HTTP (spec/protocol.md, section 11); each way to fail is told apart.

Nothing that comes back is believed here: certificate, keys and list prove themselves.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as HttpTimeoutError
from urllib3.util import parse_url

from quorate.clock import Clock
from quorate.core.messages import decode_problem
from quorate.core.publication import (
    ACTIVATION_BYTES_MAX,
    HostActivation,
    decode_activation,
    decode_revocations,
    decode_trust,
)
from quorate.errors import (
    FileAccessError,
    InvalidSettingError,
    MalformedError,
    MethodNotAllowedError,
    NotFoundError,
    PublisherUnreachableError,
    QuorateError,
)
from quorate.host.nearby import check_led_away

__all__ = ["PublisherAddress", "PublisherLink", "check_address", "checked_url", "host_in"]

_T = TypeVar("_T")

CONNECT_S: Final = 10.0
READ_S: Final = 30.0
TOTAL_S: Final = 60.0  # four megabytes over a slow line; whoever drips longer than that is given up
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True)
class PublisherAddress:
    """Where the service is, and how it is told from others.

    Attributes:
        url: `https://NAME[:PORT]`, as `checked_url` gives it.
        ca_file: PEM with the authorities to trust; None: those of this machine.
        insecure_http: plain HTTP elsewhere than on this machine is meant so.
    """

    url: str
    ca_file: Path | None = None
    insecure_http: bool = False


def checked_url(text: str) -> str:
    """The address of a publisher's service, without its final slash.

    Raises:
        ValueError: it is none; why is said.
    """
    try:
        url = parse_url(text.strip())
    except LocationParseError:
        raise ValueError("it is no URL") from None
    if url.scheme not in ("https", "http") or not url.host:
        raise ValueError("it does not begin with https:// and a name")
    if url.auth is not None or url.query is not None or url.fragment is not None:
        raise ValueError("it has a user, a query or a fragment")
    return url.url.rstrip("/")


def host_in(url: str) -> str:
    """The name or address in a URL, as it is connected to; empty where there is none."""
    try:
        return parse_url(url.strip()).host or ""
    except LocationParseError:
        return ""


def check_address(address: PublisherAddress) -> str:
    """Its URL, if it may be asked there.

    Raises:
        InvalidSettingError: no URL, or plain HTTP to another machine that nobody said is meant so.
    """
    try:
        url = checked_url(address.url)
    except ValueError as fault:
        raise InvalidSettingError(
            name="publisher-url", reason=str(fault), allowed="Such as https://activation.acme.example"
        ) from None
    if not url.startswith("https:") and not address.insecure_http and not _is_loopback(url):
        raise InvalidSettingError(
            name="publisher-url",
            reason="without TLS who listens learns which customer has which host",
            allowed="Use https://; or --insecure-http (setting publisher-insecure-http) where that is known.",
        )
    return url


class PublisherLink:
    """One publisher's service.

    Raises:
        InvalidSettingError: plain HTTP to another machine, and nobody said that this is meant so.
        FileAccessError: the file of authorities cannot be used.
    """

    def __init__(self, address: PublisherAddress, clock: Clock) -> None:
        self._url = check_address(address)
        self._clock = clock
        self._context = _context(address.ca_file) if self._url.startswith("https:") else None

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    def activate(self, request_token: str) -> HostActivation:
        """What the service answers to a host's request; unverified.

        Raises:
            PublisherUnreachableError: nobody answered, or somebody else.
            QuorateError: what the service said: HOST_KEY_USED_UP, PRODUCT_KEY_BLOCKED, RATE_LIMITED and others.
        """
        return self._read(decode_activation, self._ask("POST", "/v1/activate-host", request_token.encode("ascii")))

    def trust(self) -> tuple[str, ...]:
        """Every trust document, unverified; raises as `activate`."""
        return self._read(decode_trust, self._ask("GET", "/v1/trust", None)).trust

    def revocations(self) -> str | None:
        """The newest list, unverified, or None where there never was one; raises as `activate`."""
        return self._read(decode_revocations, self._ask("GET", "/v1/revocations", None)).revocations

    def _read(self, decode: Callable[[bytes], _T], body: bytes) -> _T:
        try:
            return decode(body)
        except MalformedError:
            raise self._unreachable("what answers is no activation service of Quorate's") from None

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        timeout = Timeout(connect=CONNECT_S, read=READ_S)
        try:
            with _Pools(ssl_context=self._context, retries=False, timeout=timeout, maxsize=1) as pool:
                response = pool.request(
                    method,
                    self._url + path,
                    body=body,
                    headers={"content-type": "application/jose", "user-agent": "quorate-host", "connection": "close"},
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
                try:
                    received = self._bounded(response)
                finally:
                    response.close()
        except (OSError, HTTPError) as fault:
            raise self._unreachable(_reason(fault)) from None
        if response.status == 200:
            return received
        raise self._told(response.status, received)

    def _bounded(self, response: BaseHTTPResponse) -> bytes:
        until_s, body = self._clock.monotonic_s() + TOTAL_S, bytearray()
        while chunk := response.read(_CHUNK):
            body += chunk
            if len(body) > ACTIVATION_BYTES_MAX:
                raise self._unreachable("its answer does not end")
            if self._clock.monotonic_s() > until_s:
                raise self._unreachable("its answer does not come in time")
        return bytes(body)

    def _told(self, status: int, body: bytes) -> QuorateError:
        try:
            error = decode_problem(body).error()
        except MalformedError:
            error = None
        if isinstance(error, NotFoundError | MethodNotAllowedError):
            error = None  # a KMS host, perhaps
        return error or self._unreachable(f"what answers (HTTP {status}) is no activation service of Quorate's")

    def _unreachable(self, reason: str) -> PublisherUnreachableError:
        return PublisherUnreachableError(url=self._url, reason=reason)


class _Plain(HTTPConnection):
    """A connection that is given up before anything is sent, where a name has led it to this machine."""

    def _new_conn(self) -> socket.socket:
        return _led_away(super()._new_conn(), self.host)


class _Secure(HTTPSConnection):
    """As `_Plain`, with TLS."""

    def _new_conn(self) -> socket.socket:
        return _led_away(super()._new_conn(), self.host)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Pools(PoolManager):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


def _led_away(connected: socket.socket, host: str) -> socket.socket:
    try:
        check_led_away(connected, host)
    except OSError:
        connected.close()
        raise
    return connected


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as fault:
        reason = getattr(fault, "strerror", None) or "it holds no certificates in PEM"
        raise FileAccessError(path=ca_file, reason=reason) from None


def _is_loopback(url: str) -> bool:
    host = (parse_url(url).host or "").strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _reason(fault: Exception) -> str:
    if isinstance(fault, MaxRetryError) and fault.reason is not None:
        fault = fault.reason
    if isinstance(fault, NameResolutionError):
        return "the name does not resolve"
    if isinstance(fault, SSLError | ssl.SSLError):
        return f"TLS: {fault.args[0] if fault.args else fault}; name its authority with --ca-file if it is your own"
    if isinstance(fault, NewConnectionError):
        inner = fault.__cause__
        return (getattr(inner, "strerror", None) or "no connection").lower()
    if isinstance(fault, ProtocolError) and isinstance(fault.args[-1], OSError) and fault.args[-1].strerror:
        return str(fault.args[-1].strerror)
    if isinstance(fault, ConnectTimeoutError | HttpTimeoutError | TimeoutError):
        return "no answer in time"
    return str(fault)[:200] or type(fault).__name__
