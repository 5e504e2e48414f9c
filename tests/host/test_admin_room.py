"""Administration between machines: a real host in a network of its own, slmgr and others asking over it.

In the room two addresses are two machines: whoever asks from one of them is no one of the host itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quorate.clock import SystemClock
from quorate.core.armor import dearmored
from quorate.core.documents import HOST_REQUEST
from quorate.host.lockout import FAILURES_MAX
from tests.dns.namespace import Namespace
from tests.host.processes import quorate
from tests.support.child import Child
from tests.support.documents import World
from tests.support.hosting import certificate_for, make_host
from tests.support.tlspair import TlsPair, make_pair
from tests.support.waiting import until

BOUND_S = 60  # for one command on a busy machine
NAME, ADDRESS, NEIGHBOUR = "kms01.room.test", "192.0.2.10", "192.0.2.11"
SLMGR = [sys.executable, "-c", "from quorate.__main__ import slmgr; slmgr()"]
QUORATE = [sys.executable, "-c", "from quorate.cli.main import run; run()"]
ASK = """
import http.client, json, ssl, sys
address, port, source, ca_file, name, path, *tokens = sys.argv[1:]
context = ssl.create_default_context(cafile=ca_file)
for token in tokens:
    connection = http.client.HTTPSConnection(name, int(port), timeout=30, context=context, source_address=(source, 0))
    headers = {} if token == "-" else {"authorization": "Bearer " + token}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    print(json.dumps([answer.status, json.loads(answer.read())]))
    connection.close()
"""


@dataclass
class Room:
    """The namespace, the host in it, and what is needed to ask it."""

    namespace: Namespace
    state: Path
    pair: TlsPair
    world: World
    said: dict[str, Any]

    @property
    def computer(self) -> str:
        return f"{NAME}:{self.said['admin_port']}"

    def slmgr(self, *words: str | Path, user: str = "admin", token: str) -> tuple[int, list[dict[str, Any]], str]:
        """`quorate-slmgr kms01 USER TOKEN ...` somewhere else in the room: exit code, objects, words."""
        environ = {**os.environ, "QUORATE_ADMIN_TOKEN": token, "QUORATE_STATE_DIR": str(self.state.parent / "none")}
        command = [*self.namespace.prefix, *SLMGR, self.computer, user, token, *map(str, words), "--json"]
        command += ["--ca-file", str(self.pair.cert)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, env=environ, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def ask(self, path: str, *tokens: str, source: str = NEIGHBOUR) -> list[tuple[int, dict[str, Any]]]:
        """Requests from an address of the room, one for each token (`-`: without one)."""
        words = (ADDRESS, str(self.said["admin_port"]), source, str(self.pair.cert), NAME, path, *tokens)
        said = self.namespace.run(sys.executable, "-c", ASK, *words)
        return [(status, told) for status, told in map(json.loads, said.splitlines())]

    def token(self, name: str, scope: str) -> str:
        """`quorate host token add` on the host itself."""
        done = quorate("host", "token", "add", name, "--scope", scope, "--json", state_dir=self.state)
        return str(json.loads(done.stdout)["token"])

    def events(self, number: int) -> list[dict[str, Any]]:
        done = quorate("host", "events", "--id", str(number), "--limit", "1000", "--json", state_dir=self.state)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def settled_events(self, number: int, how_many: int, action: str | None = None) -> list[dict[str, Any]]:
        """The events, once there are that many: what a running host has refused is written a moment later."""
        found: list[dict[str, Any]] = []

        def are_there() -> bool:
            found[:] = [row for row in self.events(number) if action is None or row["action"] == action]
            return len(found) >= how_many

        until(are_there, f"{how_many} events {number}")
        return found


@contextmanager
def room(folder: Path, *, activated: bool = True, names: tuple[str, ...] = (NAME, ADDRESS)) -> Iterator[Room]:
    """A host that administration listens for on the room's address, in its own process."""
    pair, world = make_pair(folder, names=names), World()
    settings = {**pair.settings, "admin-address": ADDRESS}
    make_host(folder / "host", world, SystemClock(), activated=activated, settings=settings)
    with Namespace.made(ADDRESS, resolv_conf="", hosts=f"{ADDRESS} {NAME}\n") as namespace:
        namespace.run("ip", "addr", "add", f"{NEIGHBOUR}/24", "dev", "lo")
        command = [*namespace.prefix, *QUORATE, "host", "run", "--state-dir", str(folder / "host"), "--json"]
        command += ["--no-dns", "--port", "0", "--admin-port", "0"]
        with Child(command) as process:
            yield Room(namespace, folder / "host", pair, world, process.told())
            assert process.terminate() == 0, process.err


def test_s34_a_host_elsewhere_is_set_up_from_the_key_to_the_setting_by_slmgr(tmp_path: Path) -> None:
    with room(tmp_path, activated=False) as there:
        assert there.said["administration"] == f"https://{ADDRESS}:{there.said['admin_port']}/"
        token, key = there.token("alice", "operate"), there.world.product_key
        code, said, _ = there.slmgr("/sai", "60", token=token)
        assert (code, said[0]["error"]) == (3, "HOST_NOT_ACTIVATED")
        code, said, words = there.slmgr("/ipk", key.text, "/dti", user="alice", token=token)
        assert (code, said[0]["product_key_last_five"]) == (0, key.last_five), words
        request = dearmored(said[1]["request"], HOST_REQUEST)
        confirmation = tmp_path / "contoso.cert"
        confirmation.write_text(certificate_for(there.world, request, SystemClock().now_s()))
        code, said, words = there.slmgr("/atp", confirmation, "/sai", "60", "/ato", "/dlv", token=token)
        assert code == 0, words
        assert [row["switch"] for row in said] == ["atp", "sai", "ato", "dlv"]
        assert (said[3]["activated"], said[3]["activation_interval_min"]) == (True, 60)
        code, said, _ = there.slmgr("/sri", "43201", token=token)
        assert (code, said[0]["error"], "43201" in said[0]["message"]) == (2, "INVALID_SETTING", True)
        assert there.slmgr("/cpky", "/upk", token=token)[0] == 0
        code, said, words = there.slmgr("/rearm", token=token)
        assert (code, "clients have no remote administration" in words) == (2, True)
        done = [(row["actor"], row["source"], row["action"], row["code"]) for row in there.events(12315)]
        mine = [(action, code) for actor, source, action, code in done if (actor, source) == ("alice", ADDRESS)]
        assert mine == [
            ("install-key", None),
            ("request", None),
            ("activate", None),
            ("settings", None),
            ("settings", "INVALID_SETTING"),
            ("forget-key", None),
            ("uninstall", None),
        ]
        assert token not in json.dumps(there.events(12315))


def test_scopes_and_users_are_told_by_slmgr(tmp_path: Path) -> None:
    with room(tmp_path) as there:
        read = there.token("bob", "read")
        assert there.slmgr("/dlv", user="bob", token=read)[0] == 0
        code, said, words = there.slmgr("/cdns", token=read)
        assert (code, said[0]["error"], said[0]["hresult"]) == (3, "SCOPE_MISSING", "0x80070005"), words
        code, said, _ = there.slmgr("/dli", user="alice", token=read)
        assert (code, said[0]["error"]) == (1, "UNAUTHORIZED")
        code, said, _ = there.slmgr("/dli", token=read[:-3])
        assert (code, said[0]["error"], read[:-3] in json.dumps(said)) == (1, "TOKEN_DAMAGED", False)
        local = (there.state / "admin.token").read_text().strip()
        assert there.slmgr("/dli", token=local)[1][0]["error"] == "UNAUTHORIZED"
        assert quorate("host", "token", "remove", "bob", state_dir=there.state).returncode == 0
        assert there.slmgr("/dli", token=read)[1][0]["error"] == "UNAUTHORIZED"
        reasons = [row["message"] for row in there.settled_events(12315, 3, "sign-in")]
        assert len(reasons) == 3, "a token that is not whole was not even sent"
        assert "on the host itself only" in reasons[1]
        assert "was removed" in reasons[2]


def test_a_source_is_locked_out_and_the_others_and_the_machine_itself_are_not(tmp_path: Path) -> None:
    with room(tmp_path) as there:
        token = there.token("alice", "operate")
        place = "/api/v1/session"
        assert [status for status, _ in there.ask(place, "-", token)] == [401, 200]
        statuses = [status for status, _ in there.ask(place, *["wrong"] * (FAILURES_MAX + 1), token)]
        assert statuses == [401] * FAILURES_MAX + [429, 200], (
            "a right token never waits: many may stand behind one address"
        )
        [(status, told)] = there.ask(place, token, source=ADDRESS)
        assert (status, told) == (200, {"name": "alice", "scope": "operate", "source": ADDRESS})
        [event] = there.settled_events(12316, 1)
        assert (event["source"], event["failures"]) == (NEIGHBOUR, FAILURES_MAX)
        assert there.ask("/readyz", "-")[0][1] == {"ready": True, "checks": []}
        assert quorate("host", "set", "renewal-interval", "60", state_dir=there.state).returncode == 0


def test_a_name_that_is_not_in_the_certificate_and_http_are_told_apart(tmp_path: Path) -> None:
    with room(tmp_path, names=("another.room.test",)) as there:
        token = there.token("alice", "read")
        code, said, _ = there.slmgr("/dli", token=token)
        assert (code, said[0]["error"]) == (1, "REMOTE_NOT_TRUSTED")
        assert NAME in said[0]["message"]
        plain = [*there.namespace.prefix, *SLMGR, f"http://{there.computer}", "admin", token, "/dli", "--json"]
        done = subprocess.run(plain, capture_output=True, text=True, timeout=BOUND_S, check=False)
        assert json.loads(done.stdout)["error"] == "REMOTE_NOT_TRUSTED"
        assert f"https://{there.computer}" in done.stdout
        assert "unencrypted" in done.stderr


def test_on_the_rooms_address_without_tls_a_host_does_not_start(tmp_path: Path) -> None:
    make_host(tmp_path / "host", World(), SystemClock())
    set_up = quorate("host", "set", "admin-address", ADDRESS, "--json", state_dir=tmp_path / "host")
    assert (set_up.returncode, json.loads(set_up.stdout)["error"]) == (1, "ADMIN_NOT_ENCRYPTED")
    with Namespace.made(ADDRESS, resolv_conf="") as namespace:
        command = [*namespace.prefix, *QUORATE, "host", "run", "--state-dir", str(tmp_path / "host"), "--no-dns"]
        environ = {**os.environ, "QUORATE_HOST_ADMIN_ADDRESS": ADDRESS}
        done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, env=environ, check=False)
    assert done.returncode == 1
    assert f"administration on {ADDRESS} needs TLS" in done.stderr
    assert "openssl req -x509" in done.stderr
