"""A name server that says what a test writes: for answers that no well-behaved server gives.

Real BIND stands behind the ordinary cases (`tests/dns/test_discovery.py`).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from quorate.client.discovery.network import Network

__all__ = ["Records", "Reply", "ScriptedNameServer", "asking", "nameserver", "reply", "zone"]

BOUND_S = 60.0
Reply = Callable[[dns.message.QueryMessage, bool], dns.message.Message | bytes | None]
"""Question and whether it came by TCP; the answer, raw bytes, or None for silence."""
Records = Mapping[tuple[str, str], Sequence[str]]


class ScriptedNameServer:
    """UDP and TCP at one port.

    Attributes:
        script: what it answers with.
        asked: `NAME TYPE` of every question, in order.
    """

    def __init__(self, address: str, port: int, script: Reply) -> None:
        self.script = script
        self.asked: list[str] = []
        self.address = address
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.udp.bind((address, port))
            self.port: int = self.udp.getsockname()[1]
            self.tcp.bind((address, self.port))
            self.tcp.listen(16)
        except OSError:  # the port is free for one of the two only
            self.close()
            raise

    def serve_udp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.udp.recvfrom(4096)
                if not data:  # `nameserver` has ended
                    return
                if (answer := self._answer(data, False)) is not None:
                    self.udp.sendto(answer, peer)

    def serve_tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                with connection, contextlib.suppress(OSError, struct.error):
                    connection.settimeout(BOUND_S)
                    size = struct.unpack("!H", connection.recv(2))[0]
                    if (answer := self._answer(connection.recv(size), True)) is not None:
                        connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, data: bytes, is_tcp: bool) -> bytes | None:
        question = dns.message.from_wire(data)
        assert isinstance(question, dns.message.QueryMessage)
        asked = question.question[0]
        self.asked.append(f"{asked.name} {dns.rdatatype.to_text(asked.rdtype)}")
        said = self.script(question, is_tcp)
        return said.to_wire(max_size=65_535) if isinstance(said, dns.message.Message) else said

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()

    def end(self) -> None:
        with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as farewell:
            farewell.sendto(b"", (self.address, self.port))
        with contextlib.suppress(OSError):
            self.tcp.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def nameserver(script: Reply, *, address: str = "127.0.0.1", port: int = 0) -> Iterator[ScriptedNameServer]:
    """It, listening."""
    for _ in range(20):
        with contextlib.suppress(OSError):
            server = ScriptedNameServer(address, port, script)
            break
    else:
        raise AssertionError(f"no port on {address}")
    threads = [threading.Thread(target=each) for each in (server.serve_udp, server.serve_tcp)]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        server.end()
        for thread in threads:
            thread.join(BOUND_S)
        server.close()


def reply(
    question: dns.message.QueryMessage, *records: str, rcode: str = "NOERROR", **flags: bool
) -> dns.message.Message:
    """An authoritative answer with these records (`TYPE rdata`); flags: `TC=True`, `AA=False`."""
    answer = dns.message.make_response(question)
    answer.set_rcode(dns.rcode.from_text(rcode))
    for name, is_on in ({"AA": True, "RA": True} | flags).items():
        answer.flags = answer.flags | dns.flags.Flag[name] if is_on else answer.flags & ~dns.flags.Flag[name]
    asked = question.question[0].name
    for record in records:
        kind, data = record.split(" ", 1)
        answer.answer.append(dns.rrset.from_text(asked, 60, "IN", kind, data))
    return answer


def zone(records: Records) -> Reply:
    """A server that knows these: (name without final dot, type) -> data; NXDOMAIN for other names."""

    def script(question: dns.message.QueryMessage, _: bool) -> dns.message.Message:
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
        if not any(known == name for known, _ in records):
            return reply(question, rcode="NXDOMAIN")
        return reply(question, *(f"{kind} {data}" for data in records.get((name, kind), ())))

    return script


def asking(
    *servers: ScriptedNameServer | tuple[str, int],
    name: str = "pc-0001.corp.test",
    search: Sequence[str] = (),
    **more: object,
) -> Network:
    """The network of a machine of this name whose resolver has these servers; they must have one port."""
    places = [each if isinstance(each, tuple) else (each.address, each.port) for each in servers]

    def open_resolver() -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [address for address, _ in places]
        resolver.port = places[0][1]
        resolver.domain = dns.name.root
        resolver.search = [dns.name.from_text(each) for each in search]
        return resolver

    make: Callable[..., Network] = Network
    return make(open_resolver, own_name=lambda: name, **{"system_addresses": lambda _: (), **more})
