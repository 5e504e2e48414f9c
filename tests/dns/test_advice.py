"""S4: where updates are refused, what is printed is pasted into the real tool, and the record is there."""

from __future__ import annotations

from pathlib import Path

import dns.message
import dns.rcode
import pytest

from quorate.errors import DnsRecordOwnedByAnotherError
from quorate.host.publication.manual_record import advice_for, removal_line
from quorate.host.publication.name_servers import Primary
from quorate.host.publication.record import SrvRecord
from quorate.host.publication.tcp_exchange import Reply
from quorate.host.publication.update_errors import Evidence, refusal
from tests.dns.resolvers import dnsmasq, unbound
from tests.dns.servers import ZONE, Bind, Knot, PowerDns, Zone, dig, nsupdate, run
from tests.dns.support import SECRET, World, key_text, names_at

RECORDS = [
    SrvRecord(name="_quorate._tcp.corp.test.", target="kms01.corp.test.", port=1688),
    SrvRecord(name="_quorate._tcp.corp.test.", target="kms02.corp.test.", port=1700, priority=10, weight=5, ttl=600),
    SrvRecord(name="_quorate._tcp.paris.corp.test.", target="kms01.corp.test.", port=1688),  # below the zone's cut
]
both = pytest.mark.parametrize("record", RECORDS, ids=["default", "all-different", "deeper"])


def form(record: SrvRecord, tool: str, server: str = "ns1.corp.test") -> str:
    """The text of one tool."""
    (text,) = (each.text for each in advice_for(record, zone="corp.test.", server=server) if each.tool == tool)
    return text


@both
def test_the_zone_file_line(record: SrvRecord, tmp_path: Path) -> None:
    text = ZONE.format(zone="corp.test.") + form(record, "zone-file") + "\n"
    (tmp_path / "zone").write_text(text)
    assert "OK" in run("named-checkzone", "corp.test", tmp_path / "zone")
    with Bind(tmp_path, [Zone("corp.test", text=text)]).running() as bind:
        assert dig(bind, record.name) == [record.value]


@both
def test_the_nsupdate_lines_and_the_line_that_removes(record: SrvRecord, tmp_path: Path) -> None:
    zone = Zone("corp.test", "allow-update { key kms; };")
    with Bind(tmp_path, [zone], [("kms", "hmac-sha256", SECRET)]).running() as bind:
        lines = form(record, "nsupdate", f"{bind.address} {bind.port}")
        run("nsupdate", "-v", "-y", key_text(), stdin=lines + "\n")
        assert dig(bind, record.name) == [record.value]
        nsupdate(bind, "zone corp.test", removal_line(record), key=key_text())
        assert dig(bind, record.name) == []


@both
def test_the_powerdns_line(record: SrvRecord, tmp_path: Path) -> None:
    with PowerDns(tmp_path, [Zone("corp.test")]).running() as powerdns:
        command = form(record, "pdnsutil").replace("pdnsutil", f"pdnsutil --config-dir={tmp_path}", 1)
        run("sh", "-ec", command)
        assert dig(powerdns, record.name) == [record.value]


@both
def test_the_knot_lines(record: SrvRecord, tmp_path: Path) -> None:
    with Knot(tmp_path, [Zone("corp.test")]).running() as knot:
        commands = form(record, "knotc").replace("knotc ", f"knotc -c {tmp_path}/knot.conf ")
        run("sh", "-ec", commands)
        assert dig(knot, record.name) == [record.value]


@both
def test_the_dnsmasq_line(record: SrvRecord, tmp_path: Path) -> None:
    with dnsmasq(tmp_path, lines=[form(record, "dnsmasq")]) as server:
        assert dig(server, record.name) == [record.value]


@both
def test_the_unbound_lines(record: SrvRecord, tmp_path: Path) -> None:
    with unbound(tmp_path, lines=form(record, "unbound").splitlines()) as server:
        assert dig(server, record.name) == [record.value]


def test_the_windows_lines_are_as_microsoft_documents_them() -> None:
    record = RECORDS[1]
    assert form(record, "powershell") == (
        'Add-DnsServerResourceRecord -Srv -ZoneName "corp.test" -Name "_quorate._tcp" '
        '-DomainName "kms02.corp.test." -Priority 10 -Weight 5 -Port 1700 -TimeToLive 0.00:10:00'
    )
    assert form(record, "dnscmd", "dc1.corp.test") == (
        "dnscmd dc1.corp.test /RecordAdd corp.test _quorate._tcp 600 SRV 10 5 1700 kms02.corp.test."
    )


def test_s04_a_refused_host_says_what_to_paste_and_then_its_record_stands(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with Bind(tmp_path / "one", [Zone("corp.test")]).running() as static:
        world = World(names_at(static))
        (result,) = world.publisher(world.settings()).publish()
        assert result.error is not None
        assert world.failure.code == "DNS_UPDATES_NOT_OFFERED"
        assert dig(static, "_quorate._tcp.corp.test") == []
    line = world.failure.message.split("Record: ")[1]
    # The administrator pastes that line into the zone file and reloads.
    pasted = Zone("corp.test", text=f"{ZONE.format(zone='corp.test.')}{line}\n")
    (tmp_path / "two").mkdir()
    with Bind(tmp_path / "two", [pasted]).running() as static:
        world = World(names_at(static))
        (result,) = world.publisher(world.settings()).publish()
        assert result.error is None, "the record stands, so there is nothing to complain about"
        assert "not taken" in result.note
        assert world.success.domain == "corp.test"


@pytest.mark.parametrize("hostile", ["$(reboot)", "a b", "x;reboot", "`id`", "a'b", "", "n\nsend"])
def test_a_hostile_server_name_never_gets_into_a_command(hostile: str) -> None:
    for each in advice_for(RECORDS[0], zone="corp.test.", server=hostile):
        assert not hostile or hostile not in each.text
    assert form(RECORDS[0], "samba-tool", hostile).startswith("samba-tool dns add PRIMARY-NAME-SERVER corp.test")


def test_a_hostile_holder_never_gets_into_the_remedy() -> None:
    refused = dns.message.Message()
    refused.set_rcode(dns.rcode.REFUSED)
    told = refusal(
        Evidence(
            reply=Reply(refused, is_verified=True, is_signed=True),
            primary=Primary("corp.test.", "dc1.corp.test", "dc1.corp.test", ("192.0.2.1", 53)),
            name="_quorate._tcp.corp.test.",
            kind="GSS-TSIG",
            who="KMS02$@CORP.TEST",
            realm="CORP.TEST",
            takes_empty=True,
            is_named_primary=True,
            is_active_directory=True,
            shown=tuple(
                SrvRecord(name="_quorate._tcp.corp.test.", target=target, port=1688)
                for target in ("kms01.corp.test.", "x';reboot;'.corp.test.", "`id`.corp.test.")
            ),
            now_s=0,
        )
    )
    assert isinstance(told, DnsRecordOwnedByAnotherError)
    assert "addmembers 'Quorate Hosts' 'KMS02$,KMS01$'\n" in told.hint
    assert "REBOOT" not in told.hint.upper()
    assert "`id`" not in told.hint.lower()
