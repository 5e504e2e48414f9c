"""A port or an address that nobody can listen on here: what is in the way, and what chooses another."""

from __future__ import annotations

import errno
import os

from quorate.errors.base import QuorateError

__all__ = ["AddressNotHereError", "PortNotAllowedError", "PortTakenError", "cannot_listen"]


class PortTakenError(QuorateError):
    """Another program listens there."""

    code = "PORT_TAKEN"
    template = "{address} is taken: {reason}"
    hint_template = "End the other program (`ss -ltnp`), or choose another port: {another}."


class AddressNotHereError(PortTakenError):
    """The address to be listened on belongs to another machine, or to none, or is not set up yet."""

    code = "ADDRESS_NOT_HERE"
    template = "{address} cannot be listened on: this machine has no such address"
    hint_template = "`ip -brief address` shows those of this machine. Choose one of them: {another}."


class PortNotAllowedError(PortTakenError):
    """The port to be listened on is for others, such as one below 1024 without the right to it."""

    code = "PORT_NOT_ALLOWED"
    template = "{address} cannot be listened on: {reason}"
    hint_template = "Ports below 1024 need root or CAP_NET_BIND_SERVICE. Choose another one: {another}."


def cannot_listen(address: str, port: int, fault: OSError, another_port: str, another_address: str) -> QuorateError:
    """Why nobody can be listened to there, and what chooses another place."""
    shown = f"{f'[{address}]' if ':' in address else address or '*'}:{port}"
    reason = (os.strerror(fault.errno) if fault.errno else str(fault)).lower()
    if fault.errno == errno.EADDRNOTAVAIL:
        return AddressNotHereError(address=shown, another=another_address)
    if fault.errno in (errno.EACCES, errno.EPERM):
        return PortNotAllowedError(address=shown, reason=reason, another=another_port)
    return PortTakenError(address=shown, reason=reason, another=another_port)
