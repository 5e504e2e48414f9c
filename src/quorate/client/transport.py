"""One question to one KMS host over HTTP, with every wait and size bounded; each way to fail is its own error.

Nothing that arrives here is believed: `core.trust` decides that. A fault report of a host (problem details) is not
signed, so only those codes pass that a host cannot sign.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Url, parse_url

from quorate.client.discovery.target import Target
from quorate.client.replies import check_is_answer, clean, not_ours, read_answer
from quorate.core import revocation, succession
from quorate.core.messages import (
    ANSWER_BYTES_MAX,
    ActivationRequest,
    Answer,
    HostDescription,
    ProbeResult,
    decode_strict,
    encode,
)
from quorate.core.publication import PublishedRevocations, PublishedTrust, decode_revocations, decode_trust
from quorate.errors import (
    FileAccessError,
    HostUnreachableError,
    InvalidSettingError,
    MalformedError,
)

__all__ = ["Transport", "TransportSettings", "clean", "proxy_at", "read_answer"]

ACTIVATE, DESCRIBE, PROBE, TRUST, REVOCATIONS = "/v1/activate", "/v1/host", "/v1/probe", "/v1/trust", "/v1/revocations"
NEWS_S = 6.0  # for each of the publisher's documents: two of them follow on an answer, within an attempt's minute
CHAIN_BYTES_MAX = succession.CHAIN_BYTES_MAX + 64 * 1024  # and its quotes and commas
LIST_BYTES_MAX = revocation.REVOCATIONS.bytes_max + 1024
ADDRESS_S_MIN = 1.0  # for each address of a host, where several share the time to connect


@dataclass(frozen=True)
class TransportSettings:
    """How to connect. An exchange ends `total_timeout_s` after its start, whatever the host does; looking up the name
    is the operating system's, with its own limits."""

    is_https: bool = False
    ca_file: Path | None = None
    proxy: str | None = None
    connect_timeout_s: float = 5.0
    total_timeout_s: float = 15.0


class Transport:
    """Asks hosts. A fresh connection each time: attempts are hours apart.

    Raises:
        InvalidSettingError: the proxy's address is none.
        FileAccessError: the file of authorities cannot be read.
    """

    def __init__(self, settings: TransportSettings | None = None) -> None:
        self.adopt(settings or TransportSettings())

    def adopt(self, settings: TransportSettings) -> None:
        """Connect so from the next question on; raises as the constructor, and then nothing has changed."""
        proxy = None if settings.proxy is None else proxy_at(settings.proxy)
        tls = _tls(settings.ca_file) if settings.is_https else None
        self._settings, self._proxy, self._tls = settings, proxy, tls

    @property
    def is_proxied(self) -> bool:
        """Whether a proxy looks names up, so that nobody needs to here."""
        return self._proxy is not None

    def activate(
        self, target: Target, request: ActivationRequest, now_s: int, addresses: Sequence[str] | None = None
    ) -> Answer:
        """The host's answer, well-formed and unverified.

        Args:
            addresses: where the target is, tried in turn; None: the operating system looks its name up. A proxy is
                given the name in either case.

        Raises:
            HostUnreachableError: nobody answered; `values["tried"]` names the target and the reason.
            NotAQuorateHostError: somebody else answered.
            QuorateError: the fault that the host reported; `values["retry_after_s"]` when it said when to come back.
        """
        status, headers, body = self._told(target, "POST", ACTIVATE, encode(request), addresses)
        return read_answer(target, status, headers, body, now_s)

    def describe(self, target: Target, now_s: int, addresses: Sequence[str] | None = None) -> HostDescription:
        """What the host says about itself, unverified: a hello that counts nobody.

        Raises:
            as `activate`.
        """
        status, headers, body = self._told(target, "GET", DESCRIBE, None, addresses)
        check_is_answer(target, status, headers, body, now_s)
        try:
            return decode_strict(_description_decoder, body, "the host's description")
        except MalformedError as fault:
            raise not_ours(
                target, f"its description is not that of a Quorate host ({clean(str(fault.values['reason']))})"
            ) from None

    def probe(
        self, target: Target, request: ActivationRequest, now_s: int, addresses: Sequence[str] | None = None
    ) -> ProbeResult:
        """What the host would say to this request, unsigned. Counts nobody.

        Raises:
            as `activate`.
        """
        status, headers, body = self._told(target, "POST", PROBE, encode(request), addresses)
        check_is_answer(target, status, headers, body, now_s)
        try:
            return decode_strict(_probe_decoder, body, "the host's answer to a probe")
        except MalformedError as fault:
            raise not_ours(
                target, f"its answer is not that of a Quorate host ({clean(str(fault.values['reason']))})"
            ) from None

    def trust(self, target: Target, now_s: int, addresses: Sequence[str] | None = None) -> PublishedTrust:
        """The publisher's trust documents, as far as this host carries them, unverified.

        Raises:
            as `activate`.
        """
        return decode_trust(self._news(target, TRUST, CHAIN_BYTES_MAX, now_s, addresses))

    def revocations(self, target: Target, now_s: int, addresses: Sequence[str] | None = None) -> PublishedRevocations:
        """The publisher's revocation list, as this host carries it, unverified.

        Raises:
            as `activate`.
        """
        return decode_revocations(self._news(target, REVOCATIONS, LIST_BYTES_MAX, now_s, addresses))

    def _news(self, target: Target, path: str, bytes_max: int, now_s: int, addresses: Sequence[str] | None) -> bytes:
        status, headers, body = self._told(target, "GET", path, None, addresses, bytes_max, NEWS_S)
        check_is_answer(target, status, headers, body, now_s, bytes_max)
        return body

    def _told(
        self,
        target: Target,
        method: str,
        path: str,
        body: bytes | None,
        addresses: Sequence[str] | None,
        bytes_max: int = ANSWER_BYTES_MAX,
        total_s: float | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One exchange, with everything that can go wrong on the way given its error."""
        try:
            return self._exchange(target, method, path, body, addresses, bytes_max, total_s)
        except NameResolutionError:
            raise _unreachable(target, "the name does not resolve") from None
        except NewConnectionError as fault:  # which counts as a timeout too
            raise _unreachable(target, _reason(fault)) from None
        except (TimeoutError, ConnectTimeoutError, ReadTimeoutError):
            raise _unreachable(target, "no answer in time") from None
        except ssl.SSLError as fault:
            raise _unreachable(target, f"TLS: {fault.reason or fault}") from None
        except http.client.RemoteDisconnected:
            raise _unreachable(target, "it closed the connection without an answer") from None
        except http.client.HTTPException:
            raise not_ours(target, "it does not speak HTTP") from None
        except (OSError, HTTPError) as fault:
            raise _unreachable(target, _reason(fault)) from None

    def _exchange(
        self,
        target: Target,
        method: str,
        path: str,
        body: bytes | None,
        addresses: Sequence[str] | None,
        bytes_max: int,
        total_s: float | None,
    ) -> tuple[int, dict[str, str], bytes]:
        limits = self._settings
        if total_s is not None and total_s < limits.total_timeout_s:
            limits = replace(
                limits, connect_timeout_s=min(limits.connect_timeout_s, total_s / 3), total_timeout_s=total_s
            )
        with contextlib.closing(self._connected(target, addresses, limits.connect_timeout_s)) as connection:
            rest_s = limits.total_timeout_s - limits.connect_timeout_s
            connection.timeout = rest_s
            with _cut_after(rest_s, connection.sock) as is_cut:
                try:
                    connection.request(
                        method,
                        self._url(target, path),
                        body,
                        {
                            "Host": str(target),
                            **({} if body is None else {"Content-Type": "application/json"}),
                            "Accept": "application/json, application/problem+json",
                            "Accept-Encoding": "identity",
                            "Connection": "close",
                            "User-Agent": "quorate-client",
                        },
                        preload_content=False,
                        decode_content=False,
                    )
                    response = connection.getresponse()
                    with contextlib.closing(response):
                        received = _bounded_body(response, bytes_max)
                except (OSError, HTTPError, http.client.HTTPException):
                    if is_cut.is_set():
                        raise TimeoutError from None
                    raise
                if is_cut.is_set():  # without a length, a cut looks like an end
                    raise TimeoutError
            return response.status, {name.lower(): value for name, value in response.headers.items()}, received

    def _connected(self, target: Target, addresses: Sequence[str] | None, connect_s: float) -> HTTPConnection:
        """A connection to the first address that takes one; the last one's fault when none does."""
        hosts = [target.host] if addresses is None or self._proxy is not None else list(addresses)
        timeout_s = max(connect_s / len(hosts), min(ADDRESS_S_MIN, connect_s))
        for left, host in enumerate(hosts, start=1 - len(hosts)):
            connection = self._connection(target, host, timeout_s)
            try:
                connection.connect()
            except (NewConnectionError, ConnectTimeoutError):
                connection.close()
                if left == 0:
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise _unreachable(target, "it has no address")

    def _connection(self, target: Target, host: str, timeout_s: float) -> HTTPConnection:
        first = (host, target.port) if self._proxy is None else (self._proxy.host or "", self._proxy.port or 80)
        if self._tls is None:
            return HTTPConnection(*first, timeout=timeout_s)
        name = target.host.rstrip(".") if self._proxy is None else None
        connection = HTTPSConnection(*first, timeout=timeout_s, ssl_context=self._tls, server_hostname=name)
        if self._proxy is not None:
            connection.set_tunnel(target.host, target.port)
        return connection

    def _url(self, target: Target, path: str) -> str:
        # Through a proxy, plain HTTP names the whole address (RFC 9112, section 3.2.2).
        return f"http://{target}{path}" if self._proxy is not None and self._tls is None else path


@contextlib.contextmanager
def _cut_after(seconds: float, connection: socket.socket | None) -> Iterator[threading.Event]:
    """Ends the connection when the time is over: a timeout of the socket alone lets a byte every second go on for ever.

    Gives an event that says whether that happened.
    """
    is_cut = threading.Event()

    def cut() -> None:
        is_cut.set()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield is_cut
    finally:
        timer.cancel()


def _bounded_body(response: BaseHTTPResponse, bytes_max: int) -> bytes:
    """At most one byte more than an answer may have: the reader then knows that it is too long."""
    parts: list[bytes] = []
    missing = bytes_max + 1
    while missing > 0:
        part = response.read(missing)
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


_description_decoder = msgspec.json.Decoder(HostDescription)
_probe_decoder = msgspec.json.Decoder(ProbeResult)


def _reason(fault: Exception) -> str:
    cause = fault.__cause__ if isinstance(fault.__cause__, OSError) else fault
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return clean(words)[:200] or type(fault).__name__


def _unreachable(target: Target, reason: str) -> HostUnreachableError:
    return HostUnreachableError(tried=f"{target}: {reason}", port=target.port)


def proxy_at(text: str) -> Url:
    """The address of a proxy.

    Raises:
        InvalidSettingError: it is none.
    """
    try:
        url = parse_url(text)
    except HTTPError:
        url = Url()
    if url.scheme != "http" or not url.host:
        raise InvalidSettingError(
            name="QUORATE_PROXY", reason=f"{text[:100]!r} is no proxy", allowed="http://NAME:PORT"
        )
    return url


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as fault:
        raise FileAccessError(path=ca_file, reason=f"no authorities can be read from it ({fault})") from None
