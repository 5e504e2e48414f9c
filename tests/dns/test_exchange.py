"""Name servers that no test can start: one that signs as Windows does, and ones that are broken or hostile."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset
import dns.update
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.clock import SystemClock
from quorate.errors import DnsServerUnreachableError, QuorateError
from quorate.host.publication.name_servers import Names
from quorate.host.publication.settings import TsigKey
from quorate.host.publication.tcp_exchange import (
    Wire,
    exchange,
    read_reply,
    signed,
)
from tests.dns.support import World, key_text

NAME = dns.name.from_text("_quorate._tcp.corp.test.")
ZONE = dns.name.from_text("corp.test.")
OURS = "0 0 1688 kms01.corp.test."

Answer = Callable[[bytes], bytes | None]
"""The reply to a question; None: say nothing and hold the connection open."""


@contextmanager
def tcp_server(answer: Answer) -> Iterator[tuple[str, int]]:
    """A server that answers each question of each connection, one after the other."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            try:
                (size,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
                reply = answer(connection.recv(size, socket.MSG_WAITALL))
                if reply is not None:
                    connection.sendall(reply)
                    connection.close()
            except (OSError, struct.error):
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for each in held:
            each.close()


def framed(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


@dataclass
class MirroringServer:
    """As Windows' DNS server replies to a signed SRV update: it does it, and returns the client's own signature."""

    records: list[str] = field(default_factory=list)
    is_forgetful: bool = False
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    flags: int = dns.flags.QR | dns.flags.AA

    def answer(self, question: bytes) -> bytes:
        asked = dns.message.from_wire(question, keyring=False)
        reply = dns.message.Message(id=asked.id)
        reply.flags = dns.flags.Flag(self.flags)
        if asked.opcode() == dns.opcode.UPDATE:
            assert isinstance(asked, dns.update.UpdateMessage)
            reply.flags |= dns.opcode.to_flags(dns.opcode.UPDATE)
            reply.set_rcode(self.rcode)
            if self.rcode == dns.rcode.NOERROR and not self.is_forgetful:
                self.records += [each.to_text() for rrset in asked.update for each in rrset]
        elif asked.question[0].rdtype == dns.rdatatype.SOA:
            soa = "ns1.corp.test. hostmaster.corp.test. 1 3600 600 86400 60"
            reply.authority.append(dns.rrset.from_text(ZONE, 60, "IN", "SOA", soa))
        elif asked.question[0].name == NAME and self.records:
            reply.answer.append(dns.rrset.from_text(NAME, 60, "IN", "SRV", *self.records))
        wire = reply.to_wire()
        if asked.had_tsig:
            wire = wire[:10] + struct.pack("!H", 1) + wire[12:] + _tsig_bytes(question)
        return framed(wire)


def _tsig_bytes(question: bytes) -> bytes:
    owner = dns.name.from_text("kms.").to_wire()
    assert owner is not None
    return question[question.rindex(owner) :]


def world_at(address: tuple[str, int], timeout_s: float = 3.0) -> World:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = []  # what the server says itself is all there is
    return World(Names(resolver, SystemClock(), timeout_s=timeout_s))


def publish_at(address: tuple[str, int], key: str = "", timeout_s: float = 3.0) -> tuple[str | None, str, bool]:
    """Code, note and is_verified of publishing there."""
    world = world_at(address, timeout_s)
    (result,) = world.publisher(world.settings({"dns-server": f"127.0.0.1:{address[1]}"}, key=key)).publish()
    return result.error.code if result.error else None, result.note, result.is_verified


def test_a_mirrored_signature_on_a_success_is_decided_by_reading_back() -> None:
    server = MirroringServer()
    with tcp_server(server.answer) as address:
        code, note, is_verified = publish_at(address, key_text())
    assert code is None
    assert "repeats our own signature" in note
    assert not is_verified
    assert server.records == [OURS]


def test_a_mirrored_signature_with_nothing_behind_it_is_a_failure() -> None:
    with tcp_server(MirroringServer(is_forgetful=True).answer) as address:
        assert publish_at(address, key_text())[0] == "DNS_RECORD_NOT_THERE"


def test_a_server_that_says_yes_and_writes_nothing_is_found_out() -> None:
    with tcp_server(MirroringServer(is_forgetful=True).answer) as address:
        assert publish_at(address)[0] == "DNS_RECORD_NOT_THERE"


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.FORMERR, dns.rcode.YXRRSET])
def test_an_answer_that_has_no_cause_is_told_as_it_is(rcode: dns.rcode.Rcode) -> None:
    with tcp_server(MirroringServer(rcode=rcode).answer) as address:
        assert publish_at(address)[0] == "DNS_PUBLICATION_FAILED"


def test_a_server_that_answers_from_a_cache_is_sent_no_update() -> None:
    server = MirroringServer(flags=dns.flags.QR)
    with tcp_server(server.answer) as address:
        assert publish_at(address)[0] == "DNS_NOT_PRIMARY"
    assert server.records == []


def test_a_server_without_updates_is_told() -> None:
    with tcp_server(MirroringServer(rcode=dns.rcode.NOTIMP).answer) as address:
        assert publish_at(address)[0] == "DNS_UPDATES_NOT_OFFERED"


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: None,  # silent
        lambda _: b"",  # ends at once
        lambda _: b"\xff",  # ends inside the length
        lambda _: b"\xff\xffabc",  # ends inside the reply
        lambda question: framed(question),  # an echo, no reply
        lambda question: framed(b"\x00\x00" + question[2:4]),  # cut
        lambda question: framed(struct.pack("!H", ~struct.unpack("!H", question[:2])[0] & 0xFFFF) + question[2:]),
        lambda _: framed(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ],
)
def test_a_broken_server_is_unreachable_in_bounded_time(answer: Answer) -> None:
    with tcp_server(answer) as address:
        assert publish_at(address, timeout_s=0.3)[0] == "DNS_SERVER_UNREACHABLE"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_whatever_the_bytes_a_reply_is_read_or_named(data: bytes) -> None:
    key = TsigKey.parse(key_text()).key
    question = signed(dns.message.make_query(NAME, "SRV"), key, 1_800_000_000)
    for reply in (data, question.data[:2] + data, question.data[:2] + b"\x80\x00" + data):
        try:
            read = read_reply(reply, question, server="ns1")
        except QuorateError:
            continue
        assert not read.is_verified


@settings(deadline=None)
@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_signed_reply_that_was_changed_is_not_verified(place: int, change: int) -> None:
    key = TsigKey.parse(key_text()).key
    message = dns.message.make_query(NAME, "SRV")
    message.flags |= dns.flags.QR
    genuine = signed(message, key, SystemClock().now_s()).data
    question = Wire(genuine[:12], b"", key)
    assert read_reply(genuine, question, server="ns1").is_verified
    place %= len(genuine)
    forged = genuine[:place] + bytes([genuine[place] ^ change]) + genuine[place + 1 :]
    try:
        read = read_reply(forged, question, server="ns1")
    except QuorateError:
        return
    # DNS names have no case, and the record's own TTL is not signed (RFC 8945: it is ignored, as is the original id's).
    assert (
        not read.is_verified
        or read.message.to_text().lower() == dns.message.from_wire(genuine, keyring=False).to_text().lower()
    )


def test_our_signature_is_what_the_library_verifies() -> None:
    key = TsigKey.parse(key_text()).key
    update = dns.update.UpdateMessage(ZONE)
    update.add(NAME, 60, "SRV", OURS)
    sent = signed(update, key, SystemClock().now_s())
    read = dns.message.from_wire(sent.data, keyring=key)
    assert read.had_tsig
    assert read.mac == sent.mac


def test_a_timeout_is_told_with_its_length() -> None:
    with tcp_server(lambda _: None) as address, pytest.raises(DnsServerUnreachableError, match=r"silent for 0\.2 s"):
        exchange(address, b"\x00" * 12, clock=SystemClock(), timeout_s=0.2)
