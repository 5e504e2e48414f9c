"""Secure update (GSS-TSIG) with BIND and a real MIT KDC, from a keytab, without kinit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quorate.errors import MalformedError
from quorate.host.publication import gss
from quorate.host.publication.keytab import principal_of, principals
from tests.dns.kerberos import Kdc
from tests.dns.servers import Bind, NameServer, Zone, dig, nsupdate
from tests.dns.support import SECRET, LateClock, World, key_text, names_at
from tests.support.needs import lacking

NAME = "_quorate._tcp.corp.test"
OURS = "0 0 1688 kms01.corp.test."


@dataclass
class Bench:
    kdc: Kdc
    bind: NameServer
    host: Path
    stranger: Path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    needs_gssapi()
    folder = tmp_path_factory.mktemp("kdc")
    with Kdc.running(folder) as kdc, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KRB5_CONFIG", kdc.environ["KRB5_CONFIG"])
        patch.delenv("KRB5CCNAME", raising=False)
        server = kdc.keytab("DNS/ns1.corp.test")
        host = kdc.keytab("host/kms01.corp.test")
        zones = [
            Zone(
                "corp.test",
                f'update-policy {{ grant "host/kms01.corp.test@CORP.TEST" name {NAME}. SRV; '
                f"grant CORP.TEST ms-subdomain paris.corp.test. SRV; grant admin zonesub ANY; }};",
            )
        ]
        bind = Bind(
            tmp_path_factory.mktemp("bind"),
            zones,
            [("admin", "hmac-sha256", SECRET)],
            options=f'tkey-gssapi-keytab "{server}";',
            environ=kdc.environ,
        )
        with bind.running() as running:
            yield Bench(kdc, running, host, kdc.keytab("KMS02$"))


def needs_gssapi() -> None:
    """Go on when the extra `[ad]` is installed; in CI it must be."""
    if gss.gssapi is None:
        reason = "pip install 'quorate-activation[ad]'; before: apt-get install gcc libkrb5-dev"
        lacking(reason)


@pytest.fixture(autouse=True)
def empty_zone(bench: Bench) -> Iterator[None]:
    yield
    nsupdate(bench.bind, "zone corp.test", f"update delete {NAME}. SRV", key=key_text("admin"))


@pytest.fixture
def world(bench: Bench) -> World:
    return World(names_at(bench.bind))


def test_s03_a_host_publishes_itself_with_its_keytab_alone(bench: Bench, world: World) -> None:
    publisher = world.publisher(world.settings({"dns-keytab": str(bench.host)}))
    (result,) = publisher.publish()
    assert result.error is None, result.error
    assert result.is_verified
    assert dig(bench.bind, NAME) == [OURS]
    (withdrawn,) = publisher.withdraw()
    assert withdrawn.error is None
    assert dig(bench.bind, NAME) == []


def test_a_host_without_any_setting_uses_the_machine_keytab(bench: Bench, world: World) -> None:
    (result,) = world.publisher(world.settings(machine_keytab=bench.host)).publish()
    assert result.error is None, result.error
    assert result.is_verified
    assert dig(bench.bind, NAME) == [OURS]


def test_a_computer_account_publishes_below_a_domain_that_grants_all_of_them(bench: Bench, world: World) -> None:
    settings = world.settings({"dns-keytab": str(bench.stranger), "dns-domains": "paris.corp.test"})
    results = world.publisher(settings).publish()
    assert [each.error and each.error.code for each in results] == ["DNS_NO_RIGHT", None]
    assert 'update-policy { grant "KMS02$@CORP.TEST" name _quorate._tcp.corp.test. SRV; };' in str(
        results[0].error and results[0].error.hint
    )


def test_what_nsupdate_wrote_is_accepted(bench: Bench, world: World) -> None:
    nsupdate(bench.bind, "zone corp.test", f"update add {NAME}. 3600 SRV {OURS}", key=key_text("admin"))
    (result,) = world.publisher(world.settings({"dns-keytab": str(bench.host)})).publish()
    assert result.error is None
    assert dig(bench.bind, NAME) == [OURS]


@pytest.mark.parametrize("off_s", [-600, 600])
def test_a_wrong_clock_is_told(bench: Bench, off_s: int) -> None:
    clock = LateClock(off_s)
    world = World(names_at(bench.bind, clock), clock)
    (result,) = world.publisher(world.settings({"dns-keytab": str(bench.host)})).publish()
    assert result.error is not None
    assert result.error.code == "DNS_CLOCK_SKEW", result.error.message


def test_each_kerberos_cause_has_its_own_code(bench: Bench, world: World, tmp_path: Path) -> None:
    loose = tmp_path / "loose.keytab"
    loose.write_bytes(bench.host.read_bytes())
    loose.chmod(0o644)
    junk = tmp_path / "junk.keytab"
    junk.write_bytes(b"no keytab at all")
    junk.chmod(0o600)
    old = bench.kdc.keytab("host/retired.corp.test")
    saved = tmp_path / "old.keytab"
    saved.write_bytes(old.read_bytes())
    saved.chmod(0o600)
    old.unlink()
    bench.kdc.keytab("host/retired.corp.test")  # its key is another one now, as after joining a domain again
    unknown = tmp_path / "unknown.keytab"
    unknown.write_bytes(bench.host.read_bytes().replace(b"kms01", b"kms09"))
    unknown.chmod(0o600)
    for keytab, code in [
        (tmp_path / "missing.keytab", "KERBEROS_NO_CREDENTIALS"),
        (loose, "FILE_PERMISSIONS"),
        (junk, "KERBEROS_NO_CREDENTIALS"),
        (saved, "KERBEROS_NO_CREDENTIALS"),
        (unknown, "KERBEROS_NO_CREDENTIALS"),
    ]:
        (result,) = world.publisher(world.settings({"dns-keytab": str(keytab)})).publish()
        assert result.error is not None
        assert result.error.code == code, (keytab, result.error.message)


def test_a_server_that_the_realm_does_not_know(bench: Bench, world: World) -> None:
    settings = world.settings({"dns-server": f"kms01.corp.test:{bench.bind.port}", "dns-keytab": str(bench.host)})
    (result,) = world.publisher(settings).publish()
    assert result.error is not None
    assert result.error.code == "KERBEROS_SERVER_UNKNOWN", result.error.message


def test_a_server_set_by_its_address_is_named_by_its_soa_record(bench: Bench, world: World) -> None:
    settings = world.settings({"dns-server": bench.bind.where, "dns-keytab": str(bench.host)})
    assert [each.error for each in world.publisher(settings).publish()] == [None]


def test_a_server_without_gss_tsig(bench: Bench, tmp_path: Path) -> None:
    with Bind(tmp_path, [Zone("corp.test", "allow-update { any; };")]).running() as plain:
        world = World(names_at(plain))
        (result,) = world.publisher(world.settings({"dns-keytab": str(bench.host)})).publish()
        assert result.error is not None
        assert result.error.code == "DNS_UPDATES_NOT_OFFERED"
        assert "GSS-TSIG" in result.error.message


def test_a_kdc_that_is_away(bench: Bench, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(bench.kdc.environ["KRB5_CONFIG"]).read_text()
    (tmp_path / "krb5.conf").write_text(text.replace("kdc = 127.0.0.1:", "kdc = 127.0.0.1:1 # "))
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    (result,) = world.publisher(world.settings({"dns-keytab": str(bench.host)})).publish()
    assert result.error is not None
    assert result.error.code == "KERBEROS_FAILED", result.error.message


def test_without_the_package_the_error_says_what_to_install(
    bench: Bench, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gss, "gssapi", None)
    (result,) = world.publisher(world.settings({"dns-keytab": str(bench.host)})).publish()
    assert result.error is not None
    assert result.error.code == "GSSAPI_NOT_INSTALLED"


def test_the_computer_account_is_chosen_from_a_keytab_with_many_names(bench: Bench) -> None:
    keytab = bench.kdc.keytab("host/kms03.corp.test", "KMS03$", "HTTP/kms03.corp.test")
    assert principals(keytab.read_bytes()) == [
        "host/kms03.corp.test@CORP.TEST",
        "KMS03$@CORP.TEST",
        "HTTP/kms03.corp.test@CORP.TEST",
    ]
    assert principal_of(keytab) == "KMS03$@CORP.TEST"
    with pytest.raises(MalformedError):
        principals(keytab.read_bytes()[:40])
