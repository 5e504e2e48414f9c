"""The settings of DNS publication as people type them, made one text each: what is stored, shown, and read again."""

from __future__ import annotations

from pathlib import Path

from quorate.errors import InvalidSettingError
from quorate.host.publication.record import full_name
from quorate.host.publication.settings import ServerAddress, parse_domains

__all__ = ["domains_text", "file_text", "server_text", "target_text"]


def target_text(text: str) -> str:
    """This host's full name, without the final dot; empty is the machine's own.

    Raises:
        ValueError: no DNS name, or one without a domain.
    """
    if not text.strip():
        return ""
    name = full_name(text).rstrip(".")
    if "." not in name:
        raise ValueError(f"{name!r} has no domain in it")
    return name


def domains_text(text: str) -> str:
    """`a.example; b.example, 10, 5`; numbers that are 0 are left out.

    Raises:
        ValueError: which entry, and why.
    """
    try:
        domains = parse_domains(text)
    except InvalidSettingError as fault:
        raise ValueError(fault.values["reason"]) from None
    return "; ".join(
        each.name.rstrip(".") + (f", {each.priority}, {each.weight}" if each.priority or each.weight else "")
        for each in domains
    )


def server_text(text: str) -> str:
    """A name server, `NAME` or `NAME:PORT`; empty is the one in the zone's SOA record.

    Raises:
        ValueError: neither name nor address.
    """
    if not text.strip():
        return ""
    try:
        return str(ServerAddress.parse(text))
    except InvalidSettingError as fault:
        raise ValueError(fault.values["reason"]) from None


def file_text(text: str) -> str:
    """The whole path of a file; empty is none. What is in the file is never stored.

    Raises:
        ValueError: a path that depends on where the host was started.
    """
    path = text.strip()
    if path and not Path(path).is_absolute():
        raise ValueError(f"{path[:100]!r} is not a whole path, and a host may be started anywhere")
    return path
