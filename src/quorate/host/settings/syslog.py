"""The setting `export-syslog` as people type it, made one text: what is stored, shown, and read again."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

__all__ = ["syslog_text"]

SYSLOG_PORT: Final = 514  # RFC 5426 for UDP; for TCP what syslog servers use, though another service has the number
_HOST_MAX = 253


def syslog_text(text: str) -> str:
    """`local`, `udp://HOST:PORT` or `tcp://HOST:PORT`, its port written out; empty is nobody.

    Raises:
        ValueError: none of these.
    """
    typed = text.strip()
    if typed.lower() in ("", "off", "none"):
        return ""
    if typed.lower() == "local":
        return "local"
    shown = repr(typed[:100])
    try:
        url = urlsplit(typed)
        host, port = url.hostname or "", SYSLOG_PORT if url.port is None else url.port
    except ValueError:
        raise ValueError(f"{shown} has no host and port that make sense") from None
    if url.scheme not in ("udp", "tcp"):
        raise ValueError(f"{shown} is neither local, udp://HOST[:PORT] nor tcp://HOST[:PORT]")
    if not host or len(host) > _HOST_MAX or not all(32 < ord(c) < 127 for c in host) or not 0 < port < 65_536:
        raise ValueError(f"{shown} has no host and port that make sense")
    if url.path.strip("/") or url.query or url.fragment or url.username is not None:
        raise ValueError(f"{shown} has something after its host and port, or before it")
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
