"""The `dns-*` settings of a host: what is stored and shown, what goes together, and the machine's own name."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from quorate.clock import SystemClock
from quorate.errors import FileAccessError, FilePermissionsError, InvalidSettingError
from quorate.host.admin.administration import Administration
from quorate.host.publication.from_settings import wanted_publication
from quorate.host.publication.local_machine import Surroundings, qualified
from quorate.host.publication.name_servers import Names
from quorate.host.publication.settings import DEFAULTS, PublicationSettings
from quorate.host.publication.state import MEMORY_ROW, STATE_ROW, StoreMemory, read_state
from quorate.host.settings.paths import StatePaths
from quorate.host.settings.settings import RULES, Settings, parse_setting
from quorate.host.store.store import Store
from tests.dns.support import SECRET, key_text, resolver_nowhere
from tests.support.clocks import SeededEntropy
from tests.support.documents import World
from tests.support.hosting import make_host


@pytest.fixture
def host(tmp_path: Path) -> Path:
    make_host(tmp_path / "host", World(), SystemClock())
    return tmp_path / "host"


def opened(host: Path) -> Administration:
    return Administration.open(StatePaths(host), SystemClock(), SeededEntropy())


def machine(name: str) -> Surroundings:
    return Surroundings(Names(resolver_nowhere(), SystemClock()), lambda: name, Path("nowhere"))


@pytest.mark.parametrize(
    ("name", "text", "stored"),
    [
        ("dns-target", "KMS01.Corp.Test.", "kms01.corp.test"),
        ("dns-target", "", ""),
        ("dns-domains", "corp.test\nLAB.test, 10, 5 ; x.test,1", "corp.test; lab.test, 10, 5; x.test, 1, 0"),
        ("dns-domains", " ", ""),
        ("dns-priority", "65535", 65_535),
        ("dns-ttl", "600", 600),
        ("dns-server", "NS1.corp.test:53", "ns1.corp.test"),
        ("dns-server", "[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ("dns-tsig-key", "/etc/quorate/kms.key", "/etc/quorate/kms.key"),
        ("dns-withdraw-on-stop", "on", True),
        ("mdns", "on", True),
    ],
)
def test_what_people_type_is_stored_in_one_form(name: str, text: str, stored: object) -> None:
    assert parse_setting(name, text)[1] == stored
    assert parse_setting(name, str(stored) if not isinstance(stored, bool) else "on")[1] == stored


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("dns-target", "kms01", "has no domain in it"),
        ("dns-domains", "a.test; a.test", "stands twice"),
        ("dns-domains", "a.test, x", "not a whole number"),
        ("dns-priority", "65536", "outside 0..65535"),
        ("dns-ttl", "10", "outside 60..604800"),
        ("dns-server", "ns1:0", "not a port"),
        ("dns-tsig-key", "kms.key", "not a whole path"),
        ("dns-keytab", "~/krb5.keytab", "not a whole path"),
        ("mdns", "perhaps", "neither on nor off"),
    ],
)
def test_each_mistake_is_told_with_what_is_allowed(name: str, text: str, reason: str) -> None:
    with pytest.raises(InvalidSettingError, match=reason) as refused:
        parse_setting(name, text)
    assert RULES[name].allowed in refused.value.hint


def test_publication_knows_every_dns_setting_of_a_host_and_no_other() -> None:
    names = {name for name in RULES if name.startswith("dns-")} | {"port"}
    assert names == set(DEFAULTS)
    made = wanted_publication(Settings(), port=1688, services=("_quorate._tcp",), around=machine("kms01.corp.test"))
    assert made == PublicationSettings.parse({}, machine="kms01.corp.test")


def test_what_cannot_be_published_is_told_when_it_is_published_not_before() -> None:
    both = Settings(dns_tsig_key="/a", dns_keytab="/b")  # two commands at the same moment
    made = wanted_publication(both, port=1688, services=("_quorate._tcp",), around=machine("kms01.corp.test"))
    with pytest.raises(InvalidSettingError, match="a TSIG key is set as well"):
        made.records()


def test_a_key_file_is_looked_at_when_it_is_set_and_its_secret_stays_in_it(host: Path, tmp_path: Path) -> None:
    key = tmp_path / "kms.key"
    with opened(host) as administration:
        with pytest.raises(FileAccessError):
            administration.set_settings({"dns-tsig-key": str(key)})
        key.write_text(key_text())
        key.chmod(0o640)
        with pytest.raises(FilePermissionsError):
            administration.set_settings({"dns-tsig-key": str(key)})
        key.chmod(0o600)
        assert administration.set_settings({"dns-tsig-key": str(key)}) == {"dns-tsig-key": str(key)}
        key.unlink()
        administration.set_settings({"dns-publishing": "off"})  # what is mended elsewhere is not held up by it
        key.write_text("no key at all")
        key.chmod(0o600)
        with pytest.raises(InvalidSettingError, match="neither a BIND key clause"):
            administration.set_settings({"dns-tsig-key": str(key)})
        shown = json.dumps(administration.shown_settings())
    assert SECRET not in shown
    assert SECRET.encode() not in (host / "host.db").read_bytes()


def test_a_tsig_key_and_a_keytab_are_not_set_together(host: Path, tmp_path: Path) -> None:
    key, keytab = tmp_path / "kms.key", tmp_path / "krb5.keytab"
    key.write_text(key_text())
    keytab.write_bytes(b"\x05\x02")
    for each in (key, keytab):
        each.chmod(0o600)
    with opened(host) as administration:
        with pytest.raises(InvalidSettingError, match="there is no key in it"):
            administration.set_settings({"dns-keytab": str(keytab)})
        administration.set_settings({"dns-tsig-key": str(key)})
        with pytest.raises(InvalidSettingError, match="cannot both sign"):
            administration.set_settings({"dns-keytab": str(keytab)})


@pytest.mark.parametrize(
    ("name", "canonical", "suffixes", "full"),
    [
        ("kms01.corp.test", "", [], "kms01.corp.test"),
        ("kms01", "kms01.corp.test.", ["lab.test"], "kms01.corp.test"),
        ("KMS01", "kms01.corp.test", [], "kms01.corp.test"),
        ("kms01", "", ["lab.test", "corp.test"], "kms01.lab.test"),
        ("kms01", "other.corp.test", ["lab.test"], "kms01.lab.test"),
        ("kms01", "kms01", [], "kms01"),
        ("localhost", "localhost.localdomain", ["lab.test"], "localhost"),
        ("", "", ["lab.test"], ""),
    ],
)
def test_a_machine_finds_its_domain_where_machines_have_it(
    name: str, canonical: str, suffixes: list[str], full: str
) -> None:
    assert qualified(name, lambda _: canonical, lambda: suffixes) == full


def test_two_processes_that_remember_at_once_lose_nothing(host: Path) -> None:
    def remember(worker: int) -> None:
        with closing(Store.open(host / "host.db")) as store:
            memory = StoreMemory(store)
            for number in range(20):
                memory.change(lambda text, mine=f"{worker}-{number}": f"{text or ''} {mine}")  # type: ignore[misc]

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(remember, worker) for worker in range(4)]:
            done.result(60)
    with closing(Store.open(host / "host.db")) as store:
        remembered = (StoreMemory(store).get() or "").split()
    assert len(remembered) == len(set(remembered)) == 80


def test_a_state_that_a_hand_or_a_newer_version_spoilt_is_none(host: Path) -> None:
    with closing(Store.open(host / "host.db")) as store:
        for spoilt in ("text", {"results": [{"colour": "red"}]}, [1]):
            store.set_setting(STATE_ROW, spoilt)
            store.set_setting(MEMORY_ROW, spoilt)
            assert read_state(store).results == ()
    with opened(host) as administration:
        assert administration.status().dns.domains == ()
