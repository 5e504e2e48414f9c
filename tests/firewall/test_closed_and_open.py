"""S31, S32, S33 with the real tools: another machine knocks at a real KMS host before, while and after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.clock import SystemClock, SystemEntropy
from quorate.host.admin.administration import Administration
from quorate.host.settings.paths import StatePaths
from tests.firewall.room import HOST4, HOST6, PORT, Driver, Room, room
from tests.firewall.walls import WALLS

SHUT = {"silence", "No route to host", "Permission denied"}  # the latter: how a REJECT of IPv6 is said
OTHER_PORT = 1700


@pytest.fixture(params=list(WALLS))
def walled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Room, Driver, Driver]]:
    """A machine with a running host behind a closed firewall, and a client's machine."""
    with room(tmp_path) as made:
        WALLS[request.param](made)
        host, client = made.driver_of(made.host_name), made.driver_of(made.client_name)
        made.start_host()
        yield request.param, made, host, client


def change_port(state: Path, port: int) -> None:
    with Administration.open(StatePaths(state), SystemClock(), SystemEntropy()) as administration:
        administration.set_settings({"port": str(port)})


def test_s31_s32_s33_shut_until_enabled_open_while_enabled_shut_again(
    walled: tuple[str, Room, Driver, Driver],
) -> None:
    name, made, host, client = walled
    firewall = ("host", "firewall", "--state-dir", str(made.state))

    # Off until enabled (S32); to look changes nothing.
    assert client.knock(HOST4, PORT) in SHUT
    shown = host.said(*firewall)
    assert (shown["firewalls"], shown["enabled"], shown["port"]) == ([name], False, PORT)
    if name == "nft":
        activation_finds_silence(made, client)

    enabled = host.said(*firewall, "--enable")
    [row] = enabled["firewalls"]
    assert (row["firewall"], row["ports"], row["changed"]) == (name, [PORT], True)
    assert row["did"], "what was done is said"
    assert f"--format {name} --disable" in row["undo"]
    assert [client.knock(address, PORT) for address in (HOST4, HOST6)] == ["open", "open"]
    assert client.knock(HOST4, 1689) in SHUT, "administration stays shut (S33)"
    activation_works(made, client)

    again = host.said(*firewall, "--enable")
    assert (again["firewalls"][0]["changed"], again["firewalls"][0]["did"]) == (False, [])

    # The port changes: the exception is known to be for the old one, and follows when it is enabled again.
    change_port(made.state, OTHER_PORT)
    shown = host.said(*firewall)
    assert (shown["enabled"], shown["ports"]) == (False, [PORT])
    host.said(*firewall, "--enable")
    assert client.knock(HOST4, PORT) in SHUT
    assert client.knock(HOST4, OTHER_PORT) not in SHUT, "it may still be on its way to the new port"

    host.said(*firewall, "--disable")
    assert client.knock(HOST4, OTHER_PORT) in SHUT
    assert host.said(*firewall, "--disable")["firewalls"][0]["changed"] is False


def activation_finds_silence(made: Room, client: Driver) -> None:
    """S31: its own error, naming the target that was tried."""
    made.install_client(client)
    done = client.quorate("client", "activate", "--json", "--state-dir", str(made.folder / "client"))
    assert done["code"] == 1, done
    told = json.loads(done["out"].splitlines()[0])
    assert told["code"] == "HOST_UNREACHABLE"
    assert f"{HOST4}:{PORT}" in told["message"]
    assert "firewall" in done["err"]


def activation_works(made: Room, client: Driver) -> None:
    made.install_client(client)
    status = client.said("client", "activate", "--state-dir", str(made.folder / "client"))
    assert status["status"] == "licensed"
