"""Settings and records: what is accepted, and what each mistake is told."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from dns.rdtypes.IN.SRV import SRV
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from quorate.errors import FilePermissionsError, InvalidSettingError, MalformedError, QuorateError
from quorate.host.publication.record import SrvRecord, decode_records, encode_records
from quorate.host.publication.settings import DEFAULTS, PublicationSettings, TsigKey
from quorate.host.settings.dns import Domain, ServerAddress, full_name, parse_domains
from tests.dns.servers import need, run
from tests.dns.support import SECRET, key_text

label = st.from_regex(r"[a-z][a-z0-9-]{0,14}", fullmatch=True)
dns_name = st.lists(label, min_size=2, max_size=4).map(lambda labels: ".".join(labels) + ".")
short = st.integers(0, 65_535)
srv = st.builds(SrvRecord, name=dns_name, target=dns_name, port=short, priority=short, weight=short)


def settings(machine: str = "kms01.corp.test", **values: str) -> PublicationSettings:
    return PublicationSettings.parse({k.replace("_", "-"): v for k, v in values.items()}, machine=machine)


def test_with_no_setting_at_all_the_own_domain_is_published_to() -> None:
    ((domain, record),) = settings().records()
    assert domain == Domain("corp.test.")
    assert record.line == "_quorate._tcp.corp.test. 3600 IN SRV 0 0 1688 kms01.corp.test."


def test_the_own_domain_gets_its_own_numbers_when_it_is_in_the_list() -> None:
    listed = settings(dns_domains="lab.test\nCORP.test, 3, 4", dns_priority="9")
    assert listed.domains == (Domain("lab.test."), Domain("corp.test.", 3, 4))
    unlisted = settings(dns_domains="lab.test", dns_priority="9", dns_weight="1")
    assert unlisted.domains == (Domain("corp.test.", 9, 1), Domain("lab.test."))


def test_microsoft_style_lists_are_read() -> None:
    assert parse_domains("a.test, 1, 2\r\nb.test,3\n\n c.test ;d.test.") == (
        Domain("a.test.", 1, 2),
        Domain("b.test.", 3, 0),
        Domain("c.test."),
        Domain("d.test."),
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"dns-domains": "a.test, x"}, "'x' is not a whole number"),
        ({"dns-domains": "a.test, 1, 2, 3"}, "more than three parts"),
        ({"dns-domains": "a.test, 65536"}, "65536 is outside 0..65535"),
        ({"dns-domains": "a..test"}, "not a DNS name"),
        ({"dns-domains": "a.test; a.test."}, "stands twice"),
        ({"dns-domains": ";".join(f"d{n}.test" for n in range(40))}, "too many"),
        ({"dns-ttl": "5"}, "outside 60..604800"),
        ({"dns-ttl": "²"}, "not a whole number"),
        ({"port": "0"}, "outside 1..65535"),
        ({"dns-publishing": "maybe"}, "neither on nor off"),
        ({"dns-server": "ns1.corp.test:http"}, "invalid literal"),
        ({"dns-server": "ns1.corp.test:70000"}, "70000 is not a port"),
        ({"dns-target": "."}, "a name is missing"),
    ],
)
def test_each_mistake_is_told(values: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSettingError) as told:
        PublicationSettings.parse(values, machine="kms01.corp.test")
    assert words in told.value.message
    assert next(iter(values)) in told.value.message


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("ns1.corp.test", "ns1.corp.test.", 53, "ns1.corp.test"),
        ("NS1.corp.test.:5353", "ns1.corp.test.", 5353, "ns1.corp.test:5353"),
        ("192.0.2.1:54", "192.0.2.1", 54, "192.0.2.1:54"),
        ("2001:db8::1", "2001:db8::1", 53, "2001:db8::1"),
        ("[2001:db8::1]:54", "2001:db8::1", 54, "[2001:db8::1]:54"),
    ],
)
def test_a_server_is_a_name_or_an_address(text: str, host: str, port: int, shown: str) -> None:
    server = ServerAddress.parse(text)
    assert (server.host, server.port, str(server)) == (host, port, shown)


def test_a_key_file_of_tsig_keygen_is_read_and_its_secret_never_shown(tmp_path: Path) -> None:
    need("named")  # tsig-keygen is in the same package
    path = tmp_path / "kms.key"
    path.write_text(run("tsig-keygen", "-a", "hmac-sha512", "kms-update"))
    with pytest.raises(FilePermissionsError):
        TsigKey.read(path)
    path.chmod(0o600)
    key = TsigKey.read(path)
    assert (key.name, key.algorithm) == ("kms-update", "hmac-sha512")
    secret = path.read_text().split('secret "')[1].split('"')[0]
    made = PublicationSettings(target="kms01.corp.test.", tsig_key=key)
    assert secret not in repr(made)
    assert "kms-update" in repr(made)
    parsed = PublicationSettings.parse({"dns-tsig-key": str(path)}, machine="kms01.corp.test")
    assert parsed.tsig_key_file == path, "read when it is used, so that an exchanged key is the new one"


@pytest.mark.parametrize("text", ["", "nonsense", "kms:!!!!", f"rot13:kms:{SECRET}", "kms:", 'key "k" { };'])
def test_what_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidSettingError) as told:
        TsigKey.parse(text)
    assert SECRET not in told.value.message


def test_key_and_keytab_exclude_each_other() -> None:
    with pytest.raises(InvalidSettingError, match="a TSIG key is set as well"):
        PublicationSettings(target="a.b.", tsig_key=TsigKey.parse(key_text()), keytab=Path("keytab"))


def test_every_default_is_what_parsing_nothing_gives() -> None:
    assert settings(**{k.replace("-", "_"): v for k, v in DEFAULTS.items()}) == settings()


@bounds(deadline=None)
@given(srv)
def test_a_record_survives_its_memory_and_the_library(record: SrvRecord) -> None:
    assert decode_records(encode_records((record, record))) == (record, record)
    rdata = record.rdata
    assert isinstance(rdata, SRV)
    assert SrvRecord.of(record.owner, rdata, record.ttl) == record


@bounds(deadline=None)
@given(st.text(max_size=300))
def test_whatever_the_text_a_name_is_read_or_refused(text: str) -> None:
    try:
        name = full_name(text)
    except ValueError:
        return
    assert name == full_name(name)
    assert name.endswith(".")
    assert name.isascii()


@bounds(deadline=None)
@given(st.text(max_size=200))
def test_whatever_the_text_settings_are_read_or_refused(text: str) -> None:
    for name in DEFAULTS.keys() - {"dns-tsig-key", "dns-keytab"}:
        try:
            PublicationSettings.parse({name: text}, machine="kms01.corp.test").records()
        except QuorateError:
            continue
    with contextlib.suppress(MalformedError):
        decode_records(text)
