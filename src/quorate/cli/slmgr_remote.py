"""Another machine's KMS host, managed over its administration API (`quorate-slmgr host1 admin TOKEN /dlv`).

Nothing is trusted that is not asked for: no redirects, bounded sizes and times, and the token goes to one place only.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Url, parse_url

from quorate.core.messages import decode_problem
from quorate.errors import (
    InvalidSettingError,
    MalformedError,
    NotAQuorateHostError,
    QuorateError,
    RemoteUnreachableError,
)

__all__ = ["RemoteHost", "is_loopback"]

ADMIN_PORT = 1689
BODY_BYTES_MAX = 1024 * 1024
_TIMEOUT = urllib3.Timeout(connect=5.0, read=15.0)
_ALLOWED = "NAME, NAME:PORT or http(s)://NAME:PORT; the port is 1689 unless said otherwise."


class RemoteHost:
    """The administration listener of one host.

    Args:
        computer: `NAME`, `NAME:PORT` or `http(s)://NAME:PORT`.
        ca_file: authorities to believe with https; None: the system's.

    Raises:
        InvalidSettingError: that is no address.
    """

    def __init__(self, computer: str, token: str, ca_file: Path | None = None) -> None:
        self._url = _address(computer)
        self._token = token
        self._pool = urllib3.PoolManager(
            num_pools=1, timeout=_TIMEOUT, retries=False, ca_certs=None if ca_file is None else str(ca_file)
        )

    @property
    def name(self) -> str:
        """`kms.contoso.example:1689`."""
        return f"{self._url.host}:{self._url.port}"

    @property
    def is_readable_on_the_way(self) -> bool:
        """Whether whoever is on the network could read the token."""
        return self._url.scheme == "http" and not is_loopback(self._url.host or "")

    def facts(self) -> dict[str, Any]:
        """The host's status.

        Raises:
            RemoteUnreachableError, NotAQuorateHostError, UnauthorizedError, QuorateError: what it told.
        """
        return self._asked("GET", "/api/v1/status")

    def set(self, name: str, text: str) -> dict[str, Any]:
        """Change one setting; what then stands. Raises as `facts`; InvalidSettingError: it was refused."""
        return self._asked("PATCH", "/api/v1/settings", {name: text})

    def _asked(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        status, content = self._exchange(method, path, None if body is None else msgspec.json.encode(body))
        if status != 200:
            raise self._told(status, content)
        try:
            return msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.MsgspecError, ValueError):
            raise self._foreign("its answer is none of ours") from None

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        try:
            reply = self._pool.request(
                method, f"{self._url.url}{path}", body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                return reply.status, reply.read(BODY_BYTES_MAX + 1)[:BODY_BYTES_MAX]
            finally:
                reply.close()
        except urllib3.exceptions.ProtocolError as fault:
            raise self._foreign(_plain(fault)) from None
        except (HTTPError, OSError) as fault:
            raise RemoteUnreachableError(host=self.name, port=self._url.port, reason=_plain(fault)) from None

    def _told(self, status: int, content: bytes) -> QuorateError:
        try:
            error = decode_problem(content).error()
        except MalformedError:
            error = None
        return error or self._foreign(f"HTTP status {status}")

    def _foreign(self, reason: str) -> NotAQuorateHostError:
        return NotAQuorateHostError(host=self.name, reason=f"no administration of a KMS host: {reason}")


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine itself."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _address(computer: str) -> Url:
    typed = computer.strip()
    if typed.count(":") > 1 and not typed.startswith("[") and "://" not in typed:
        typed = f"[{typed}]"  # an IPv6 address by itself
    try:
        url = parse_url(typed if "://" in typed else f"http://{typed}")
    except LocationParseError:
        url = Url()
    if url.scheme not in ("http", "https") or not url.host or url.path not in (None, "", "/") or url.auth or url.query:
        shown = "".join(c if c.isprintable() else "?" for c in computer)[:100]
        raise InvalidSettingError(name="ComputerName", reason=f"{shown!r} is no address of a machine", allowed=_ALLOWED)
    return Url(scheme=url.scheme, host=url.host, port=url.port or ADMIN_PORT)


def _plain(fault: Exception) -> str:
    """The innermost reason, on one line."""
    for _ in range(5):
        inner = getattr(fault, "reason", None) or fault.__cause__
        if not isinstance(inner, Exception):
            break
        fault = inner
    words = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault) or type(fault).__name__
    return "".join(c if c.isprintable() else " " for c in words)[:200]
