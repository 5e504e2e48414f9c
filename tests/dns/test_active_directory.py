"""A real Active Directory domain (Samba 4), with both of its DNS servers: two hosts, one owner, and the remedy."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate.core.documents import ProductFile
from tests.dns.hosts import OF_TWO, client, quorate, run_in, site
from tests.dns.samba import ADMIN, Backend, Domain
from tests.dns.test_gss import needs_gssapi
from tests.support.documents import World
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


@dataclass
class Forest:
    """The domain and its two hosts' keytabs."""

    domain: Domain
    keytabs: dict[str, Path]

    def host(self, folder: Path, name: str, service: str, **settings: str) -> Host:
        (folder / name).mkdir(exist_ok=True)
        values = {"machine": f"{name}.corp.test", "service": service, "dns-keytab": str(self.keytabs[name]), **settings}
        (folder / name / "settings.json").write_text(json.dumps({k: v for k, v in values.items() if v}))
        return Host(self.domain, folder / name)


@dataclass
class Host:
    """One KMS host's `quorate host dns`, run inside the domain's network."""

    domain: Domain
    folder: Path

    def dns(self, *words: str) -> str:
        """What the command prints."""
        command = [sys.executable, "-m", "tests.dns.host_driver", *words, "--state-dir", str(self.folder)]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        return self.domain.run(*command, environ={"PYTHONPATH": path, "KRB5CCNAME": ""}, check=False)

    def result(self, action: str) -> dict[str, Any]:
        """The one result of `publish` or `withdraw`."""
        shown = self.dns(action, "--json").splitlines()
        result: dict[str, Any] = json.loads(shown[0])
        return result

    def last_event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads((self.folder / "events.jsonl").read_text().splitlines()[-1])
        return event


@pytest.fixture(scope="module", params=["SAMBA_INTERNAL", "BIND9_DLZ"])
def forest(request: pytest.FixtureRequest) -> Iterator[Forest]:
    needs_gssapi()
    backend: Backend = request.param
    # Not in pytest's folder: the names of Samba's sockets would become too long.
    folder = Path(tempfile.mkdtemp(prefix="quorate-ad-"))
    try:
        with Domain.running(folder, backend) as domain:
            keytabs = {name: domain.computer(name.upper()) for name in ("kms01", "kms02")}
            for name in keytabs:
                domain.run("samba-tool", "dns", "add", "dc1.corp.test", "corp.test", name, "A", "10.53.0.1", ADMIN)
            yield Forest(domain, keytabs)
    finally:
        shutil.rmtree(folder)


def test_s03_the_first_host_publishes_the_second_is_told_the_remedy_and_it_works(
    forest: Forest, tmp_path: Path
) -> None:
    domain, name = forest.domain, "_quorate._tcp.corp.test"
    first = forest.host(tmp_path, "kms01", "_quorate._tcp")
    second = forest.host(tmp_path, "kms02", "_quorate._tcp", **{"dns-priority": "10"})

    result = first.result("publish")
    assert result["result"] == "published", result
    assert (result["server"], result["zone"]) == ("dc1.corp.test", "corp.test")
    assert result["is_verified"], "Samba's old form of signature is understood too"
    assert first.last_event()["event_id"] == 12294
    assert domain.dig(name) == ["0 0 1688 kms01.corp.test."]

    result = second.result("publish")
    assert result["result"] == "DNS_RECORD_OWNED_BY_ANOTHER", result
    assert "now there: kms01.corp.test" in result["message"]
    event = second.last_event()
    assert (event["event_id"], event["code"]) == (12293, "DNS_RECORD_OWNED_BY_ANOTHER")
    assert domain.dig(name) == ["0 0 1688 kms01.corp.test."]

    # An administrator does as the hint says, line for line.
    lines = result["hint"].splitlines()
    commands = [line.strip() for line in lines if line.strip().startswith("samba-tool")]
    assert len(commands) == 3
    for command in commands:
        domain.run("sh", "-ec", command)
    result = second.result("publish")
    assert result["result"] == "published", result
    assert domain.dig(name) == ["0 0 1688 kms01.corp.test.", "10 0 1688 kms02.corp.test."]

    # The first still may, and each withdraws its own record only.
    assert first.result("publish")["result"] == "published"
    assert first.result("withdraw")["result"] == "withdrawn"
    assert domain.dig(name) == ["10 0 1688 kms02.corp.test."]


class OwnService(World):
    """A product whose clients look for a service label of its own."""

    @property
    def product(self) -> ProductFile:
        return msgspec.structs.replace(super().product, service="_fleet._tcp")


def test_s03_a_running_host_publishes_in_the_domain_and_a_fleet_without_settings_activates(
    forest: Forest, tmp_path: Path
) -> None:
    domain = forest.domain
    host = site(tmp_path, {"dns-keytab": str(forest.keytabs["kms01"])}, OwnService(policy=OF_TWO.policy))
    with run_in(domain.namespace, host, "kms01", {**domain.environ, "KRB5CCNAME": ""}):
        until(lambda: domain.dig("_fleet._tcp.corp.test") == ["0 0 1688 kms01.corp.test."], "the record")
        first, second = (client(domain.namespace, tmp_path, number) for number in (1, 2))
        assert (first["code"], second["status"]) == ("COUNT_INSUFFICIENT", "licensed")
        assert second["host"] == "kms01.corp.test:1688"
        shown = quorate(domain.namespace, "host", "status", "--json", "--state-dir", str(host))
        (published,) = json.loads(shown)["dns"]["domains"]
        assert (published["result"], published["server"]) == ("published", "dc1.corp.test")
        assert published["is_verified"]


def test_a_replaced_host_is_told_that_the_withdrawn_name_still_belongs_to_the_old_one(
    forest: Forest, tmp_path: Path
) -> None:
    first = forest.host(tmp_path, "kms01", "_replaced._tcp")
    assert first.result("publish")["result"] == "published"
    assert first.result("withdraw")["result"] == "withdrawn"
    result = forest.host(tmp_path, "kms02", "_replaced._tcp").result("publish")
    assert result["result"] == "DNS_RECORD_OWNED_BY_ANOTHER", result
    assert "has withdrawn" in result["message"]


def test_a_changed_port_replaces_the_old_record(forest: Forest, tmp_path: Path) -> None:
    forest.host(tmp_path, "kms01", "_moved._tcp").result("publish")
    result = forest.host(tmp_path, "kms01", "_moved._tcp", port="1700").result("publish")
    assert result["result"] == "published", result
    assert forest.domain.dig("_moved._tcp.corp.test") == ["0 0 1700 kms01.corp.test."]


def test_a_domain_member_publishes_with_no_setting_at_all(forest: Forest, tmp_path: Path) -> None:
    host = forest.host(
        tmp_path, "kms01", "_member._tcp", **{"dns-keytab": "", "machine_keytab": str(forest.keytabs["kms01"])}
    )
    assert host.result("publish")["result"] == "published"


def test_an_unsigned_update_is_refused_with_its_own_code(forest: Forest, tmp_path: Path) -> None:
    result = forest.host(tmp_path, "kms01", "_unsigned._tcp", **{"dns-keytab": ""}).result("publish")
    assert result["result"] == "DNS_UPDATES_NOT_OFFERED", result


def test_what_samba_tool_published_is_accepted(forest: Forest, tmp_path: Path) -> None:
    host = forest.host(tmp_path, "kms01", "_byhand._tcp")
    command = host.dns("record", "--tool", "samba-tool").strip()
    assert command.startswith("samba-tool dns add dc1.corp.test corp.test _byhand._tcp SRV"), command
    forest.domain.run(*shlex.split(command), ADMIN)
    assert forest.domain.dig("_byhand._tcp.corp.test") == ["0 0 1688 kms01.corp.test."]
    result = host.result("publish")
    assert result["result"] == "published", result
    assert forest.domain.dig("_byhand._tcp.corp.test") == ["0 0 1688 kms01.corp.test."]


def test_what_nsupdate_published_is_accepted_and_withdrawn(forest: Forest, tmp_path: Path) -> None:
    host = forest.host(tmp_path, "kms01", "_nsupdate._tcp")
    lines = host.dns("record", "--tool", "nsupdate")
    cache = {"KRB5CCNAME": f"FILE:{tmp_path}/ccache"}
    forest.domain.run("kinit", "-k", "-t", forest.keytabs["kms01"], "KMS01$@CORP.TEST", environ=cache)
    # Its exit code lies with Samba before 4.21, whose signature it does not understand: dig decides.
    forest.domain.run("nsupdate", "-g", stdin=lines, environ=cache, check=False)
    assert forest.domain.dig("_nsupdate._tcp.corp.test") == ["0 0 1688 kms01.corp.test."]
    assert host.result("publish")["result"] == "published"
    assert host.result("withdraw")["result"] == "withdrawn"
    assert forest.domain.dig("_nsupdate._tcp.corp.test") == []


def test_check_finds_a_dead_target_in_the_domain(forest: Forest, tmp_path: Path) -> None:
    host = forest.host(tmp_path, "kms01", "_dead._tcp")
    host.result("publish")
    findings = [json.loads(line) for line in host.dns("check", "--json").splitlines() if line.startswith("{")]
    assert [(each["level"], each["code"]) for each in findings] == [("ok", "PUBLISHED"), ("fail", "DEAD_TARGET")]
