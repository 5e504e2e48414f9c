"""Another machine's KMS host, managed over its administration API (`quorate-slmgr host1 admin TOKEN /dlv`).

Nothing is trusted that is not asked for: no redirects, bounded sizes and times, and the token goes to one place only.
"""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from typing import Any

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Url, parse_url

from quorate.core.admintoken import check_token
from quorate.core.messages import decode_problem
from quorate.errors import (
    FileAccessError,
    InvalidSettingError,
    MalformedError,
    NotAQuorateHostError,
    QuorateError,
    RemoteNotTrustedError,
    RemoteUnreachableError,
)

__all__ = ["RemoteHost", "is_loopback"]

ADMIN_PORT = 1689
BODY_BYTES_MAX = 1024 * 1024
CONNECT_S = 5.0
READ_S = 15.0
_TLS_ALERT = repr("\x15\x03")[1:-1]  # how a TLS server answers HTTP, as urllib3 quotes it
ONLINE_S = 120.0  # that host asks its publisher meanwhile, for a minute at most
_ALLOWED = "NAME, NAME:PORT or http(s)://NAME:PORT; the port is 1689 unless said otherwise."


class RemoteHost:
    """The administration listener of one host, as slmgr's switches use it (`slmgr_host.HostDesk`).

    Args:
        computer: `NAME`, `NAME:PORT` or `http(s)://NAME:PORT`; without http(s) it is https, but http on loopback.
        ca_file: authorities to believe with https; None: the system's.
        user: whom the token shall belong to; None or `admin` is anybody.

    Raises:
        InvalidSettingError: that is no address.
        FileAccessError: the file of authorities cannot be used.
        TokenDamagedError: the token is not whole; nothing was sent.
    """

    def __init__(self, computer: str, token: str, ca_file: Path | None = None, user: str | None = None) -> None:
        self._url = _address(computer)
        check_token(token)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if user:
            self._headers["Quorate-User"] = user
        context = _context(ca_file) if self._url.scheme == "https" else None
        self._pool = urllib3.PoolManager(num_pools=1, retries=False, ssl_context=context)

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
            RemoteUnreachableError, NotAQuorateHostError, UnauthorizedError, ScopeMissingError, LockedOutError,
            QuorateError: what it told.
        """
        return self._asked("GET", "status")

    def set(self, name: str, text: str) -> dict[str, Any]:
        """Change one setting; what then stands. Raises as `facts`; InvalidSettingError: it was refused."""
        return self._asked("PATCH", "settings", {name: text})

    def install_key(self, typed: str) -> str:
        """Install a host key there; its last five. Raises as `facts`."""
        return str(self._asked("POST", "install-key", {"product_key": typed}).get("product_key_last_five"))

    def request(self) -> str:
        """A request for the publisher; raises as `facts`."""
        return str(self._asked("POST", "request").get("request"))

    def activate(self, confirmation: str) -> int:
        """Take the publisher's confirmation; when it ends. Raises as `facts`."""
        return self._until(self._asked("POST", "activate", {"confirmation": confirmation}))

    def activate_online(self) -> int | None:
        """Have that host ask its publisher; when the activation ends. Raises as `facts`."""
        return self._until(self._asked("POST", "activate", {}, read_s=ONLINE_S))

    def remove_key_text(self) -> bool:
        """Whether there was one; raises as `facts`."""
        return bool(self._asked("POST", "forget-key").get("removed"))

    def uninstall_key(self) -> None:
        """Key and certificate; raises as `facts`."""
        self._asked("POST", "uninstall")

    def _until(self, told: dict[str, Any]) -> int:
        until_s = told.get("certificate_expires_s")
        if not isinstance(until_s, int):
            raise self._foreign("its answer is not that of a Quorate host")
        return until_s

    def _asked(
        self, method: str, place: str, body: dict[str, str] | None = None, read_s: float = READ_S
    ) -> dict[str, Any]:
        data = None if body is None else msgspec.json.encode(body)
        status, content = self._exchange(method, f"/api/v1/{place}", data, read_s)
        if status != 200:
            raise self._told(status, content)
        try:
            return msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.MsgspecError, ValueError):
            raise self._foreign("its answer is not that of a Quorate host") from None

    def _exchange(self, method: str, path: str, body: bytes | None, read_s: float) -> tuple[int, bytes]:
        try:
            reply = self._pool.request(
                method,
                f"{self._url.url}{path}",
                body=body,
                headers=self._headers,
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
            )
            try:
                return reply.status, reply.read(BODY_BYTES_MAX + 1)[:BODY_BYTES_MAX]
            finally:
                reply.close()
        except urllib3.exceptions.SSLError as fault:
            raise self._encryption(fault) from None
        except urllib3.exceptions.ProtocolError as fault:
            reason = _plain(fault)
            if self._url.scheme == "http" and _TLS_ALERT in reason:
                raise RemoteNotTrustedError(host=self.name, reason=f"it speaks TLS; ask https://{self.name}") from None
            raise self._foreign(reason) from None
        except (HTTPError, OSError) as fault:
            raise RemoteUnreachableError(host=self.name, port=self._url.port, reason=_plain(fault)) from None

    def _told(self, status: int, content: bytes) -> QuorateError:
        try:
            error = decode_problem(content).error()
        except MalformedError:
            error = None
        return error or self._foreign(f"HTTP status {status}")

    def _encryption(self, fault: Exception) -> RemoteNotTrustedError:
        reason = _plain(fault)
        if "WRONG_VERSION_NUMBER" in reason or "record layer failure" in reason:
            reason = "it speaks no TLS there"
        return RemoteNotTrustedError(host=self.name, reason=reason)

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
        url = parse_url(typed if "://" in typed else f"https://{typed}")
        if "://" not in typed and is_loopback(url.host or ""):
            url = url._replace(scheme="http")
    except LocationParseError:
        url = Url()
    if url.scheme not in ("http", "https") or not url.host or url.path not in (None, "", "/") or url.auth or url.query:
        shown = "".join(c if c.isprintable() else "?" for c in computer)[:100]
        raise InvalidSettingError(name="ComputerName", reason=f"{shown!r} is no address of a machine", allowed=_ALLOWED)
    return Url(scheme=url.scheme, host=url.host, port=url.port or ADMIN_PORT)


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as fault:
        reason = getattr(fault, "strerror", None) or "it holds no certificates in PEM"
        raise FileAccessError(path=ca_file, reason=reason) from None


def _plain(fault: Exception) -> str:
    """The innermost reason, on one line."""
    for _ in range(5):
        inner = getattr(fault, "reason", None) or fault.__cause__
        if not isinstance(inner, Exception):
            break
        fault = inner
    words = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault) or type(fault).__name__
    return "".join(c if c.isprintable() else " " for c in words)[:200]
