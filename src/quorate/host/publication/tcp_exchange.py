"""One question and one reply with a name server, always by TCP, the reply kept raw.

A library call that throws a reply away because its signature does not verify would lose what Samba before 4.21 and
Windows really said. So the bytes come back as they are, and `Reply` says both: what they say, and whether that is
proven. The signature is put on here as well, for two reasons: the time in it comes from the given clock, and the key's
name is written out in full (a compressed name makes Samba without the fix for CVE-2026-6949 compute another MAC).
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig

from quorate.clock import Clock
from quorate.errors import DnsServerUnreachableError

__all__ = ["FUDGE_S", "Reply", "Wire", "exchange", "read_reply", "signed"]

FUDGE_S = 300  # RFC 8945, section 10: the recommended allowance for clocks that differ
_TSIG_ERRORS = {16: "BADSIG", 17: "BADKEY", 18: "BADTIME", 22: "BADTRUNC"}


@dataclass(frozen=True)
class Wire:
    """A question ready to be sent; `mac` is empty when it is not signed."""

    data: bytes
    mac: bytes = b""
    key: dns.tsig.Key | None = None


@dataclass(frozen=True)
class Reply:
    """What a name server said.

    Attributes:
        message: its reply, parsed without any proof.
        is_verified: whether the reply is proven to come from a holder of the key; unsigned ones never are.
        fault: why it is not, for people; empty when it is.
        tsig_error: the error inside its signature record (RFC 8945: BADSIG 16, BADKEY 17, BADTIME 18), else 0.
        server_time_s: its clock, where the reply tells it.
    """

    message: dns.message.Message
    is_verified: bool = False
    fault: str = ""
    tsig_error: int = 0
    server_time_s: int | None = None
    is_signed: bool = False

    @property
    def rcode(self) -> dns.rcode.Rcode:
        return self.message.rcode()

    @property
    def rcode_text(self) -> str:
        """`REFUSED`, or `NOTAUTH, BADKEY` when the signature record says more."""
        text = dns.rcode.to_text(self.rcode)
        return f"{text}, {_TSIG_ERRORS.get(self.tsig_error, self.tsig_error)}" if self.tsig_error else text


def exchange(address: tuple[str, int], data: bytes, *, clock: Clock, timeout_s: float) -> bytes:
    """Send one message by TCP and return the reply's bytes.

    Args:
        address: IP address and port.
        timeout_s: for all of it: connecting, sending, and the whole reply.

    Raises:
        DnsServerUnreachableError: nothing listens, it is silent, or it ends in the middle.
    """
    where = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
    until_s = clock.monotonic_s() + timeout_s
    try:
        with socket.create_connection(address, timeout=timeout_s) as connection:
            connection.sendall(struct.pack("!H", len(data)) + data)
            (size,) = struct.unpack("!H", _receive(connection, 2, clock, until_s))
            reply = _receive(connection, size, clock, until_s)
    except TimeoutError:
        raise DnsServerUnreachableError(server=address[0], tried=f"{where} is silent for {timeout_s:g} s") from None
    except OSError as fault:
        reason = fault.strerror or str(fault) or type(fault).__name__
        raise DnsServerUnreachableError(server=address[0], tried=f"{where}: {reason}") from None
    return reply


def _receive(connection: socket.socket, size: int, clock: Clock, until_s: float) -> bytes:
    data = b""
    while len(data) < size:  # bounded: size is at most 65,535 and every round brings a byte or ends
        left_s = until_s - clock.monotonic_s()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("it ended the connection without a reply")
        data += piece
    return data


def signed(message: dns.message.Message, key: dns.tsig.Key | None, now_s: int) -> Wire:
    """`message` with a TSIG record of `now_s` at its end (RFC 8945, section 5.1); as it is without a key."""
    data: bytes = message.to_wire()
    if key is None:
        return Wire(data)
    stamp_class: Any = dns.rdtypes.ANY.TSIG.TSIG  # dnspython's record classes have no types
    sign: Any = dns.tsig.sign
    any_class, kind = dns.rdataclass.ANY, dns.rdatatype.TSIG
    blank = stamp_class(any_class, kind, key.algorithm, now_s, FUDGE_S, b"", message.id, 0, b"")
    stamp, _ = sign(data, key, blank, now_s, b"")
    body: bytes = stamp.to_wire()
    (additional,) = struct.unpack("!H", data[10:12])
    record = key.name.to_digestable() + struct.pack("!HHIH", kind, any_class, 0, len(body)) + body
    return Wire(data[:10] + struct.pack("!H", additional + 1) + data[12:] + record, stamp.mac, key)


def read_reply(data: bytes, question: Wire, *, server: str) -> Reply:
    """What the bytes say, and whether that is proven.

    Raises:
        DnsServerUnreachableError: they are no reply to this question.
    """
    try:
        message = dns.message.from_wire(data, keyring=False, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, struct.error) as fault:
        raise DnsServerUnreachableError(server=server, tried=f"it answered something else than DNS ({fault})") from None
    if data[:2] != question.data[:2] or not message.flags & dns.flags.QR:
        raise DnsServerUnreachableError(server=server, tried="it answered another question")
    stamp = message.tsig[0] if message.tsig else None
    if question.key is None:
        return Reply(message, fault="the question was not signed", is_signed=stamp is not None)
    if stamp is None:
        return Reply(message, fault="the reply is not signed")
    if stamp.error:
        # Only a BADTIME reply is itself signed; none of the three is believed beyond the cause it names.
        told = (
            int.from_bytes(stamp.other, "big") if stamp.error == dns.rcode.BADTIME and len(stamp.other) == 6 else None
        )
        return Reply(message, fault="the server reports a fault", tsig_error=stamp.error, server_time_s=told)
    if stamp.mac == question.mac:
        return Reply(message, fault="the reply repeats our own signature", is_signed=True)
    try:
        dns.message.from_wire(data, keyring=question.key, request_mac=question.mac, ignore_trailing=True)
    except dns.tsig.BadTime:
        return Reply(message, False, "its time is too far from ours", dns.rcode.BADTIME, stamp.time_signed, True)
    except (dns.exception.DNSException, ValueError) as fault:
        return Reply(message, fault=f"its signature does not verify ({type(fault).__name__})", is_signed=True)
    return Reply(message, is_verified=True, is_signed=True, server_time_s=stamp.time_signed)
