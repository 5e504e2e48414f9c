"""`quorate host dns` as an administrator uses it, whether the host runs or not; and what `host status` then says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.clock import Clock, SystemClock
from quorate.host.publication.locate import Names
from quorate.host.publication.machine import Surroundings
from tests.cli.test_host_cli import quorate
from tests.dns.hosts import SRV, around, publishing, shows
from tests.dns.servers import Bind, NameServer, Zone, dig, nsupdate
from tests.dns.support import resolver_nowhere
from tests.support.documents import World
from tests.support.hosting import make_host

Be = Callable[[Surroundings], None]


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    zones = [Zone("corp.test", "allow-update { any; };"), Zone("static.test")]
    with Bind(tmp_path_factory.mktemp("bind"), zones).running() as server:
        yield server


@pytest.fixture(autouse=True)
def empty_zone(bind: NameServer) -> Iterator[None]:
    yield
    nsupdate(bind, "zone corp.test", f"update delete {SRV}. SRV")


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch) -> Be:
    """Let the commands believe to be on another machine."""

    def believe(surroundings: Surroundings) -> None:
        def of_this_machine(clock: Clock) -> Surroundings:
            return surroundings

        monkeypatch.setattr(Surroundings, "of_this_machine", of_this_machine)

    return believe


@pytest.fixture
def state(tmp_path: Path) -> Path:
    make_host(tmp_path / "host", World(), SystemClock())
    return tmp_path / "host"


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_publish_check_and_withdraw_of_a_host_that_does_not_run(bind: NameServer, be: Be, state: Path) -> None:
    be(around(bind))
    done = quorate("host", "dns", "publish", state_dir=state)
    assert (done.returncode, done.stderr) == (0, "")
    assert "published" in done.stdout
    assert dig(bind, SRV) == ["0 0 1688 kms01.corp.test."]
    status = quorate("host", "status", state_dir=state).stdout
    assert "DNS publication: on (once the host runs)" in status
    assert "corp.test: published at ns1.corp.test on " in status
    check = quorate("host", "dns", "check", "--json", state_dir=state)
    assert (check.returncode, [each["code"] for each in rows(check.stdout)]) == (1, ["PUBLISHED", "DEAD_TARGET"])
    (withdrawn,) = rows(quorate("host", "dns", "withdraw", "--json", state_dir=state).stdout)
    assert (withdrawn["result"], withdrawn["domain"], withdrawn["code"]) == ("withdrawn", "corp.test", None)
    assert dig(bind, SRV) == []
    events = rows(quorate("host", "events", "--json", state_dir=state).stdout)
    assert [event["event_id"] for event in events if event["event_id"] != 12315] == [12294]
    asked = [(event["action"], event["message"]) for event in events if event.get("action", "").startswith("dns-")]
    assert asked == [("dns-publish", "published in DNS: corp.test"), ("dns-withdraw", "withdrawn from DNS: corp.test")]


def test_beside_a_running_host_the_port_that_is_served_counts(bind: NameServer, be: Be, tmp_path: Path) -> None:
    be(around(bind))
    with publishing(tmp_path / "host", around(bind)) as host:
        value = f"0 0 {host.port} kms01.corp.test."
        shows(bind, value)
        nsupdate(bind, "zone corp.test", f"update delete {SRV}. SRV")  # somebody's mistake
        assert quorate("host", "dns", "publish", state_dir=host.state_dir).returncode == 0
        assert dig(bind, SRV) == [value]
        check = quorate("host", "dns", "check", state_dir=host.state_dir)
        assert (check.returncode, check.stdout.count("[ok]")) == (0, 2)
        done = quorate("host", "dns", "withdraw", state_dir=host.state_dir)
        assert dig(bind, SRV) == []
        assert "publishes again within a day" in done.stderr
        host.administration.set_settings({"dns-publishing": "off"})
        assert "note" not in quorate("host", "dns", "withdraw", state_dir=host.state_dir).stderr


def test_s04_refused_updates_end_with_1_the_cause_and_a_record_to_paste(bind: NameServer, be: Be, state: Path) -> None:
    be(around(bind, "kms01.static.test"))
    done = quorate("host", "dns", "publish", state_dir=state)
    assert done.returncode == 1
    assert "error: name server ns1.static.test takes no unsigned update of zone static.test (REFUSED)" in done.stderr
    assert "quorate host dns record" in done.stderr
    line = "_quorate._tcp.static.test. 3600 IN SRV 0 0 1688 kms01.static.test."
    assert quorate("host", "dns", "record", "--tool", "zone-file", state_dir=state).stdout.strip() == line
    assert "server ns1.static.test\n" in quorate("host", "dns", "record", "--tool", "nsupdate", state_dir=state).stdout
    status = quorate("host", "status", state_dir=state).stdout
    assert "static.test: publish FAILED on " in status
    assert "DNS_UPDATES_NOT_OFFERED" in status


def test_a_machine_without_any_dns_is_told_what_to_do(be: Be, state: Path) -> None:
    nowhere = Names(resolver_nowhere(), SystemClock())
    be(Surroundings(nowhere, lambda: "vm", Path("nowhere")))
    for command in ("publish", "record", "check"):
        done = quorate("host", "dns", command, state_dir=state)
        assert done.returncode == 1
        assert done.stderr.count("hint: Give its full name: `quorate host set dns-target NAME.DOMAIN`.") == 1
    nothing = quorate("host", "dns", "withdraw", state_dir=state)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "nothing to withdraw" in nothing.stderr
    # As told:
    assert quorate("host", "set", "dns-target", "kms01.corp.test", state_dir=state).returncode == 0
    record = quorate("host", "dns", "record", state_dir=state)
    assert record.returncode == 0
    assert "_quorate._tcp.corp.test. 3600 IN SRV 0 0 1688 kms01.corp.test." in record.stdout
    done = quorate("host", "dns", "publish", state_dir=state)
    assert (done.returncode, "hint: " in done.stderr) == (1, True)


def test_a_key_file_may_be_named_from_where_one_stands(
    be: Be, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kms.key").write_text("hmac-sha256:kms:c2VjcmV0\n")
    (tmp_path / "kms.key").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    done = quorate("host", "set", "dns-tsig-key", "kms.key", "--json", state_dir=state)
    assert json.loads(done.stdout) == {"dns-tsig-key": str(tmp_path / "kms.key")}
    assert json.loads(quorate("host", "set", "dns-tsig-key", "default", "--json", state_dir=state).stdout) == {
        "dns-tsig-key": ""
    }
