"""A name that turns out to lead to this machine is not followed, whoever set it."""

from __future__ import annotations

import socket

import pytest

from quorate.clock import SystemClock
from quorate.errors import PublisherUnreachableError
from quorate.host.nearby import check_led_away, leads_here
from quorate.host.publisher_link import PublisherAddress, PublisherLink


def test_a_connection_that_was_led_here_is_given_up_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *more, **named: real("127.0.0.1", *more, **named)
        )  # as a name server of somebody else's answers
        for host in ("activation.acme.example", "127.1", "0x7f000001"):
            link = PublisherLink(PublisherAddress(f"http://{host}:{port}", insecure_http=True), SystemClock())
            with pytest.raises(PublisherUnreachableError, match="which is this machine"):
                link.revocations()
            server.settimeout(60)
            taken, _ = server.accept()
            with taken:
                taken.settimeout(60)
                assert taken.recv(1) == b"", "nothing was sent"


def test_an_address_that_says_so_itself_is_meant() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as connected:
        for host in ("127.0.0.1", "localhost", "LOCALHOST.", "kms.localhost", socket.gethostname()):
            assert leads_here(host)
            check_led_away(connected, host)
        with pytest.raises(ConnectionRefusedError):
            check_led_away(connected, "acme.example")
    for host in ("acme.example", "10.0.0.1", "2001:db8::1", "localhost.acme.example", ""):
        assert not leads_here(host)
