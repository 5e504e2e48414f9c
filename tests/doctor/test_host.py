"""What doctor sees on a KMS host, and what it names as the cause."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quorate.core.checkup import Check, Level, cause_of
from quorate.core.messages import HostDescription
from quorate.core.policy import DAY_S
from quorate.errors import FirewallNeedsRootError
from quorate.host.admin.administration import Administration
from quorate.host.monitoring.doctor import HOST_STEPS, FirewallPort, HostCheckup
from quorate.host.publication.check import Hello
from quorate.host.publication.local_machine import Surroundings
from quorate.host.publication.name_servers import Names
from quorate.host.publication.probe import say_hello
from quorate.host.settings.paths import StatePaths
from tests.client.nameserver import ScriptedNameServer, asking, nameserver, zone
from tests.client.parties import closed_port
from tests.doctor.patient import LONE, levels, one
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import World
from tests.support.hosting import Hosted, make_host, running
from tests.support.tlspair import make_pair

OFF = {"dns-publishing": "off"}


@dataclass
class Host:
    """A host's folder, its clock, and what stands around it."""

    folder: Path
    world: World = field(default_factory=lambda: World(policy=LONE))
    clock: ManualClock = field(default_factory=ManualClock)
    names: ScriptedNameServer | None = None
    machine: str = "kms01.corp.test"
    firewall: FirewallPort = lambda: None
    hello: Hello = say_hello

    def make(self, **more: Any) -> None:
        make_host(self.folder, self.world, self.clock, **({"settings": OFF} | more))

    @contextlib.contextmanager
    def runs(self) -> Iterator[Hosted]:
        with running(self.folder, self.world, self.clock) as hosted:
            yield hosted

    def checks(self) -> list[Check]:
        network = asking(("127.0.0.1", 9)) if self.names is None else asking(self.names)
        around = Surroundings(Names(network.open_resolver, self.clock), lambda: self.machine, self.folder / "keytab")
        paths, firewall = StatePaths(self.folder), self.firewall
        return HostCheckup(
            paths, self.clock, SeededEntropy(5), around=around, hello=self.hello, firewall=firewall
        ).run()

    def cause(self) -> Check:
        cause = cause_of(self.checks())
        assert cause is not None
        assert cause.fix
        return cause


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def test_all_is_well_and_every_step_says_so_in_order(host: Host) -> None:
    host.make()
    with host.runs() as hosted:
        hosted.activate()
        checks = host.checks()
        before = len(hosted.administration.events())
        host.checks()
        assert len(hosted.administration.events()) == before
    assert list(dict.fromkeys(check.step for check in checks)) == list(HOST_STEPS)
    assert {check.level for check in checks if check.step != "count"} == {Level.OK}
    assert cause_of(checks) is None


def test_a_host_that_does_not_run(host: Host) -> None:
    host.make(settings={**OFF, "port": str(closed_port())})
    cause = host.cause()
    assert (cause.code, cause.step) == ("HOST_NOT_RUNNING", "port")
    assert "quorate host run" in cause.fix
    assert one(host.checks(), "protocol").level is Level.SKIP


def test_something_else_at_its_port(host: Host, tmp_path: Path) -> None:
    other = Host(tmp_path / "other")
    other.make()
    with other.runs() as hosted:
        host.make(settings={**OFF, "port": str(hosted.port)})
        cause = host.cause()
    assert (cause.code, cause.step) == ("PORT_TAKEN", "port")


def test_another_host_that_answers_in_its_place(host: Host) -> None:
    host.make()

    def other(address: str, port: int) -> HostDescription:
        return HostDescription(
            service="_quorate._tcp",
            version="1",
            protocol=(1,),
            host_id="other",
            activated=True,
            host_certificate=None,
            products=(),
            time_s=0,
        )

    host.hello = other
    with host.runs():
        cause = host.cause()
    assert (cause.code, cause.step) == ("NOT_A_QUORATE_HOST", "protocol")
    assert "KMS host other answers there" in cause.seen


def test_a_host_without_its_key_and_then_without_its_activation(host: Host) -> None:
    host.make(activated=False)
    with host.runs():
        checks = host.checks()
        cause = host.cause()
    assert (cause.code, cause.step) == ("HOST_KEY_MISSING", "key")
    assert one(checks, "certificate").code == "HOST_NOT_ACTIVATED"
    StatePaths(host.folder).product_key.write_text(host.world.product_key.text)
    StatePaths(host.folder).product_key.chmod(0o600)
    assert host.cause().code == "HOST_NOT_ACTIVATED"


def test_a_key_whose_text_was_removed_is_no_fault(host: Host) -> None:
    host.make()
    StatePaths(host.folder).product_key.unlink()
    assert one(host.checks(), "key").level is Level.OK


def test_a_certificate_that_ends_soon_and_one_that_ended(host: Host) -> None:
    host.make()
    with host.runs():
        host.clock.advance(700 * DAY_S)
        check = one(host.checks(), "certificate")
        assert (check.level, check.code) == (Level.WARN, "HOST_CERTIFICATE_ENDING")
        assert "quorate host request" in check.fix
        host.clock.advance(31 * DAY_S)
        assert host.cause().code == "HOST_CERTIFICATE_EXPIRED"


@pytest.mark.parametrize("name", ["host.key", "admin.token", "product.key"])
def test_a_secret_that_others_may_read(host: Host, name: str) -> None:
    host.make()
    (host.folder / name).chmod(0o644)
    cause = host.cause()
    assert cause.code == "FILE_PERMISSIONS"
    assert f"chmod 600 {host.folder / name}" in cause.fix


def test_a_folder_that_others_may_enter_leaves_the_rest_unjudged(host: Host) -> None:
    host.make()
    host.folder.chmod(0o755)
    checks = host.checks()
    cause = cause_of(checks)
    assert cause is not None
    assert (cause.code, cause.step) == ("FILE_PERMISSIONS", "state")
    assert {check.level for check in checks if check is not cause} == {Level.SKIP}
    assert [check.step for check in checks] == list(HOST_STEPS)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_that_belongs_to_somebody_else(host: Host) -> None:
    host.make()
    os.chown(host.folder / "host.cert", 65534, 65534)
    cause = host.cause()
    assert (cause.code, cause.step) == ("FILE_OWNER", "state")
    assert "sudo chown root:" in cause.fix


def test_a_firewall_that_is_closed_open_or_not_to_be_seen(host: Host) -> None:
    host.make()
    with host.runs() as hosted:
        host.firewall = lambda: ("nft", ())
        check = one(host.checks(), "firewall")
        assert (check.level, check.code) == (Level.WARN, "FIREWALL_CLOSED")
        assert "quorate host firewall --enable" in check.fix
        host.firewall = lambda: ("ufw", (hosted.port,))
        assert one(host.checks(), "firewall").level is Level.OK

        def hidden() -> None:
            raise FirewallNeedsRootError(command="quorate doctor")

        host.firewall = hidden
        assert one(host.checks(), "firewall").level is Level.SKIP


def test_a_record_that_is_missing_dead_or_there(host: Host) -> None:
    records: dict[tuple[str, str], list[str]] = {("kms01.corp.test", "A"): ["127.0.0.1"]}
    host.make(settings=OFF)
    with host.runs() as hosted, nameserver(lambda question, is_tcp: zone(records)(question, is_tcp)) as names:
        host.names = names
        assert one(host.checks(), "dns").level is Level.OK  # off
        hosted.administration.set_settings({"dns-publishing": "on"})
        missing = one(host.checks(), "dns")
        assert (missing.level, missing.code) == (Level.FAIL, "NOT_PUBLISHED")
        assert "quorate host dns publish" in missing.fix
        dead = closed_port()
        records["_quorate._tcp.corp.test", "SRV"] = [
            f"0 0 {hosted.port} kms01.corp.test.",
            f"0 0 {dead} old.corp.test.",
        ]
        records["old.corp.test", "A"] = ["127.0.0.1"]
        checks = [check for check in host.checks() if check.step == "dns"]
        assert [check.level for check in checks] == [Level.OK, Level.OK, Level.FAIL]
        assert checks[-1].code == "DEAD_TARGET"
        host.machine = "kms01"
        nameless = one(host.checks(), "dns")
        assert (nameless.level, nameless.code) == (Level.WARN, "DNS_HOST_NAME_NOT_QUALIFIED")


def test_a_clock_that_is_behind_the_records(host: Host) -> None:
    host.make()
    with host.runs() as hosted:
        hosted.activate()
    host.clock.advance(-2 * DAY_S)
    check = one(host.checks(), "clock")
    assert (check.level, check.code) == (Level.FAIL, "CLOCK_TURNED_BACK")


def test_counts_below_the_threshold_and_nobody_who_asks_are_warnings(tmp_path: Path) -> None:
    host = Host(tmp_path / "host", World())
    host.make()
    with host.runs() as hosted:
        assert one(host.checks(), "events").level is Level.WARN
        hosted.activate()
        checks = host.checks()
        counts = [check for check in checks if check.step == "count"]
        assert ("acme, client: 1 of 25", "COUNT_INSUFFICIENT") in [(check.seen, check.code) for check in counts]
        assert any("24 more machines" in check.fix for check in counts)
        assert one(checks, "events").level is Level.OK
        host.clock.advance(9 * DAY_S)
        assert one(host.checks(), "events").level is Level.WARN
    assert Level.FAIL not in levels(checks).values()


def test_s20_a_count_that_is_going_to_fall_is_a_warning_with_the_day(tmp_path: Path) -> None:
    host = Host(tmp_path / "host", World())
    host.make()
    with host.runs() as hosted:
        for number in range(1, 26):
            hosted.activate(number)
        assert one(host.checks(), "forecast").level is Level.OK
        host.clock.advance(11 * DAY_S)
        for number in range(1, 24):  # two have gone
            hosted.activate(number)
        check = one(host.checks(), "forecast")
    assert (check.level, check.code) == (Level.WARN, "COUNT_WILL_FALL")
    assert "below the threshold of 25" in check.seen
    assert "the records of 2 machines" in check.seen
    assert "quorate host forecast" in check.fix


def test_a_database_of_a_newer_version_is_told_and_left_alone(host: Host) -> None:
    host.make()
    with contextlib.closing(sqlite3.connect(host.folder / "host.db")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (host.folder / "host.db").read_bytes()
    cause = host.cause()
    assert cause.step == "store"
    assert cause.code == "SCHEMA_NEWER"
    assert (host.folder / "host.db").read_bytes() == before


def test_a_full_disk_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.make()
    nearly_full = type("Usage", (), {"free": 1024})()
    monkeypatch.setattr("quorate.host.monitoring.doctor.shutil.disk_usage", lambda _: nearly_full)
    check = one(host.checks(), "disk")
    assert (check.level, check.code) == (Level.FAIL, "STORE_UNAVAILABLE")


# --- administration --------------------------------------------------------------------------------------------------


def test_administration_is_told_with_its_certificate_and_what_is_wrong_with_it(host: Host, tmp_path: Path) -> None:
    host.make()
    assert "for this machine only" in one(host.checks(), "admin").seen
    day = datetime.fromtimestamp(host.clock.now_s(), UTC)
    pair = make_pair(tmp_path, end=day + timedelta(days=30))
    with Administration.open(StatePaths(tmp_path / "host"), host.clock, SeededEntropy(5)) as administration:
        administration.set_settings(pair.settings)
    check = one(host.checks(), "admin")
    assert (check.level, "over TLS until" in check.seen) == (Level.OK, True)
    host.clock.advance(10 * DAY_S)
    check = one(host.checks(), "admin")
    assert (check.level, check.code, "ends" in check.seen) == (Level.WARN, "TLS_UNUSABLE", True)
    pair.key.unlink()
    check = one(host.checks(), "admin")
    assert (check.level, check.code, str(pair.key) in check.seen) == (Level.FAIL, "TLS_UNUSABLE", True)
