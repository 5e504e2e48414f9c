"""What cannot be listened on is told with its cause, and with the setting that chooses another place."""

from __future__ import annotations

import errno
import socket

import pytest

from quorate.errors import AddressNotHereError, PortNotAllowedError, PortTakenError
from quorate.host.config import Settings
from quorate.host.sockets import open_admin_socket, open_socket
from quorate.publisher.serve import listen


def test_a_taken_port_names_its_own_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"127.0.0.1:{port} is taken") as clients:
            open_socket("127.0.0.1", port, 8)
        with pytest.raises(PortTakenError) as administration:
            open_admin_socket(Settings(admin_address="127.0.0.1", admin_port=port), 8)
        with pytest.raises(PortTakenError) as publisher:
            listen("127.0.0.1", port)
    assert "`quorate host set port N`" in clients.value.hint
    assert "`quorate host set admin-port N`" in administration.value.hint
    assert "`--port N`" in publisher.value.hint


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::7"])
def test_an_address_that_is_not_ours_is_not_called_taken(address: str) -> None:
    with pytest.raises(AddressNotHereError, match="this machine has no such address") as here:
        open_socket(address, 0, 8)
    assert "`quorate host set address ADDRESS`" in here.value.hint
    with pytest.raises(AddressNotHereError) as administration:
        open_admin_socket(Settings(admin_address=address, admin_port=0), 8)
    assert "`quorate host set admin-address ADDRESS`" in administration.value.hint


def test_a_port_for_root_alone_is_not_called_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refused)
    with pytest.raises(PortNotAllowedError, match=r"127\.0\.0\.1:80 cannot be listened on: permission denied") as told:
        open_socket("127.0.0.1", 80, 8)
    assert "CAP_NET_BIND_SERVICE" in told.value.hint
