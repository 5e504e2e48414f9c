"""HTTPS, where an administrator wants it: ordinary TLS, checked in the ordinary way."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quorate.client.transport.exchange import TransportSettings
from quorate.errors import HostUnreachableError
from tests.client.nameserver import Records, asking, nameserver, zone
from tests.client.parties import BOUND_S, Installation, ScriptedHost, scripted
from tests.client.sites import SRV


def make_certificate(folder: Path, address: str) -> Path:
    """A self-signed certificate and its key for an address or a name, in one PEM file."""
    try:
        subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        subject = x509.DNSName(address)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KMS host")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"tls-{address}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextlib.contextmanager
def speaking_tls(pem: Path) -> Iterator[ScriptedHost]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with scripted() as host:
        # The handshake happens in the thread of each request: one that fails must not end the listener.
        listener = context.wrap_socket(host.server.socket, server_side=True, do_handshake_on_connect=False)
        host.server.socket = listener
        yield host


def over_https(ca_file: Path | None) -> TransportSettings:
    return TransportSettings(is_https=True, ca_file=ca_file, connect_timeout_s=2.0, total_timeout_s=4.0)


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return make_certificate(tmp_path, "127.0.0.1")


def test_an_activation_over_https(tmp_path: Path, pem: Path) -> None:
    with speaking_tls(pem) as host:
        client = Installation(tmp_path / "pc").client(host, transport=over_https(pem))
        assert client.activate().status.value == "licensed"


def test_authorities_that_are_not_known_and_names_that_differ_are_refused(tmp_path: Path, pem: Path) -> None:
    other = make_certificate(tmp_path, "192.0.2.1")
    for served, believed in ((pem, None), (pem, other), (other, other)):
        with speaking_tls(served) as host:
            client = Installation(tmp_path / "pc").client(host, transport=over_https(believed))
            with pytest.raises(HostUnreachableError, match="TLS: CERTIFICATE_VERIFY_FAILED"):
                client.activate()
            assert not host.requests


def test_https_to_a_host_without_it_is_told_as_such(tmp_path: Path, pem: Path) -> None:
    with scripted() as host:
        client = Installation(tmp_path / "pc").client(host, transport=over_https(pem))
        with pytest.raises(HostUnreachableError, match="TLS"):
            client.activate()


def test_a_slow_host_behind_tls_ends_at_the_time_limit_too(tmp_path: Path, pem: Path) -> None:
    done = threading.Event()

    def dripping(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not done.wait(0.1):
            connection.sendall(b" ")

    with speaking_tls(pem) as host:
        host.raw = dripping
        client = Installation(tmp_path / "pc").client(host, transport=over_https(pem))
        with pytest.raises(HostUnreachableError, match="no answer in time"):
            client.activate()
        done.set()


def test_through_a_proxy_https_is_tunnelled(tmp_path: Path, pem: Path) -> None:
    with speaking_tls(pem) as host, tunnel(host.port) as (port, asked):
        proxied = TransportSettings(is_https=True, ca_file=pem, proxy=f"http://127.0.0.1:{port}")
        client = Installation(tmp_path / "pc").client(host, transport=proxied)
        assert client.activate().status.value == "licensed"
        assert asked[0].startswith(f"CONNECT 127.0.0.1:{host.port} HTTP/1.".encode())


def found_in_dns(host: ScriptedHost) -> Records:
    return {
        (SRV, "SRV"): [f"0 0 {host.port} kms01.corp.test."],
        ("kms01.corp.test", "A"): ["127.0.0.1"],
    }


def test_a_host_that_dns_names_must_prove_that_name_and_not_its_address(tmp_path: Path, pem: Path) -> None:
    named = make_certificate(tmp_path, "kms01.corp.test")
    with speaking_tls(named) as host, nameserver(zone(found_in_dns(host))) as names:
        client = Installation(tmp_path / "pc").client(transport=over_https(named), network=asking(names))
        assert client.activate().host == f"kms01.corp.test:{host.port}"
    with speaking_tls(pem) as host, nameserver(zone(found_in_dns(host))) as names:
        client = Installation(tmp_path / "pc2").client(transport=over_https(pem), network=asking(names))
        with pytest.raises(HostUnreachableError, match="TLS"):
            client.activate()


def test_through_a_proxy_the_name_that_dns_gave_is_left_to_the_proxy(tmp_path: Path) -> None:
    with scripted() as proxy, nameserver(zone({(SRV, "SRV"): ["0 0 1688 kms01.corp.test."]})) as names:
        proxied = TransportSettings(proxy=f"http://127.0.0.1:{proxy.port}")
        client = Installation(tmp_path / "pc").client(transport=proxied, network=asking(names))
        assert client.activate().usable
        assert proxy.paths == ["http://kms01.corp.test:1688/v1/activate"]
        assert names.asked == [f"{SRV}. SRV"]


@contextlib.contextmanager
def tunnel(to_port: int) -> Iterator[tuple[int, list[bytes]]]:
    """An HTTP proxy for one CONNECT: its port, and what it was asked."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        client, _ = listener.accept()
        with client, socket.create_connection(("127.0.0.1", to_port)) as server:
            while b"\r\n\r\n" not in b"".join(asked):
                asked.append(client.recv(65_536))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join(BOUND_S)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        thread.join(BOUND_S)
        listener.close()
