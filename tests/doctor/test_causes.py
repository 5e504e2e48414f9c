"""Distinct causes, distinct errors: each cause of BEHAVIOUR.md is provoked, and named by doctor and client alike."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec

from quorate.core.checkup import Level, cause_of
from quorate.core.documents import Edition, ProductFile
from quorate.core.messages import ProbeResult, encode
from quorate.core.policy import DAY_S, HOUR_S, MachineClass
from quorate.errors import HostRevokedError, RateLimitedError
from quorate.resolver import machine_resolver
from tests.client.nameserver import asking, nameserver, reply, zone
from tests.client.parties import RawReply, closed_port
from tests.client.sites import SRV
from tests.client.test_network import problem
from tests.doctor.patient import Patient, describe, kms, levels, one, same_cause, scripted_kms
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import World, signing_key
from tests.support.hosting import hosting

# --- the network -----------------------------------------------------------------------------------------------------


def test_s27_no_srv_record(patient: Patient) -> None:
    with nameserver(zone({})) as names:
        patient.network = asking(names)
        error = same_cause(patient, "DNS_NAME_DOES_NOT_EXIST", "dns")
        checks = patient.checks()
    assert error.hresult_text == "0x8007232B"
    assert f"{SRV}. does not exist" in one(checks, "dns").seen
    assert all(levels(checks)[step] is Level.SKIP for step in ("name", "tcp", "protocol", "clock", "chain", "count"))
    assert levels(checks)["disk"] is Level.OK  # what can be judged without a host, is


def test_a_name_server_that_fails_is_not_a_missing_record(patient: Patient) -> None:
    with nameserver(lambda question, _: reply(question, rcode="SERVFAIL")) as names:
        patient.network = asking(names)
        same_cause(patient, "DNS_SERVER_FAILURE", "dns")


def test_a_line_of_resolv_conf_that_is_of_no_use_is_a_warning_with_its_number(tmp_path: Path, lone: Patient) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_bytes(b"nameserver 10.0.0.53,\nnameserver 127.0.0.1\n")
    with kms(tmp_path, lone) as host, nameserver(zone({})) as names:
        names.script = zone(
            {(SRV, "SRV"): [f"0 0 {host.port} kms01.corp.test."], ("kms01.corp.test", "A"): ["127.0.0.1"]}
        )
        lone.client().clear_host()
        asked = partial(machine_resolver, conf, servers=("127.0.0.1",), port=names.port)
        lone.network = msgspec.structs.replace(asking(names), open_resolver=asked)
        good, bad = (each for each in lone.checks() if each.step == "dns")
    assert good.level is Level.OK
    assert (bad.level, bad.seen.split(" is passed over")[0]) == (Level.WARN, f"{conf} line 1")
    assert "resolv.conf" in bad.fix


def test_s31_a_record_whose_targets_are_unreachable_each_with_its_reason(patient: Patient) -> None:
    first, second = closed_port(), closed_port()
    records = {
        (SRV, "SRV"): [f"0 0 {first} kms01.corp.test.", f"1 0 {second} kms02.corp.test.", "2 0 1688 kms03.corp.test."],
        ("kms01.corp.test", "A"): ["127.0.0.1"],
        ("kms02.corp.test", "A"): ["127.0.0.1"],
    }
    with nameserver(zone(records)) as names:
        patient.network = asking(names)
        error = same_cause(patient, "HOST_UNREACHABLE", "tcp")
        cause, checks = patient.cause(), patient.checks()
    assert error.hresult_text == "0xC004F074"
    for told in (error.message, cause.seen):
        assert f"kms01.corp.test:{first}" in told
        assert f"kms02.corp.test:{second}" in told
        assert told.count("connection refused") == 2
        assert "kms03.corp.test:1688: its name does not exist" in told
    assert one(checks, "dns").level is Level.OK


def test_s31_a_host_that_was_set_and_does_not_listen(patient: Patient) -> None:
    port = closed_port()
    patient.client(port)
    error = same_cause(patient, "HOST_UNREACHABLE", "tcp")
    assert f"127.0.0.1:{port}: connection refused" in error.message
    assert f"TCP {port}" in patient.cause().fix


def test_a_name_that_does_not_resolve(patient: Patient) -> None:
    patient.client().set_host("kms.invalid")  # RFC 6761: never
    same_cause(patient, "HOST_UNREACHABLE", "name")


def test_one_dead_record_beside_a_good_one_is_a_warning_that_names_it(tmp_path: Path, lone: Patient) -> None:
    dead = closed_port()
    with kms(tmp_path, lone) as host:
        lone.client().clear_host()
        records = {
            (SRV, "SRV"): [f"0 0 {dead} old.corp.test.", f"1 0 {host.port} kms01.corp.test."],
            ("old.corp.test", "A"): ["127.0.0.1"],
            ("kms01.corp.test", "A"): ["127.0.0.1"],
        }
        with nameserver(zone(records)) as names:
            lone.network = asking(names)
            checks = lone.checks()
            assert levels(checks)["tcp"] is Level.WARN
            assert Level.FAIL not in levels(checks).values()
            cause = cause_of(checks)
            assert cause is not None
            assert (cause.code, f"old.corp.test:{dead}" in cause.seen) == ("HOST_UNREACHABLE", True)
            assert "quorate host dns check" in cause.fix
            lone.client().activate()


def test_a_host_that_is_remembered_works_on_without_its_record_and_doctor_warns(tmp_path: Path, lone: Patient) -> None:
    with kms(tmp_path, lone) as host:
        lone.client().clear_host()
        records = {(SRV, "SRV"): [f"0 0 {host.port} kms01.corp.test."], ("kms01.corp.test", "A"): ["127.0.0.1"]}
        with nameserver(zone(records)) as names:
            lone.network = asking(names)
            lone.client().activate()
            del records[SRV, "SRV"]
            checks = lone.checks()
            lone.client().activate()
    assert (one(checks, "dns").level, one(checks, "dns").code) == (Level.WARN, "DNS_NAME_DOES_NOT_EXIST")
    assert Level.FAIL not in levels(checks).values()


# --- who answers -----------------------------------------------------------------------------------------------------


def test_answered_and_not_a_quorate_host(patient: Patient) -> None:
    html = b"<html>It works!</html>"
    with scripted_kms(patient, html) as other:
        other.script = lambda _: RawReply(html, headers={"Content-Type": "text/html"})
        same_cause(patient, "NOT_A_QUORATE_HOST", "protocol")


def test_rate_limited_with_when_to_retry(patient: Patient) -> None:
    with scripted_kms(patient) as host:
        host.script = lambda _: problem(RateLimitedError(retry_after_s=90), Retry_After="90")
        error = same_cause(patient, "RATE_LIMITED", "protocol")
        assert "retry in 90 s" in error.message
        assert "retry in 90 s" in patient.cause().seen


def test_clocks_that_differ_are_both_shown(tmp_path: Path, patient: Patient) -> None:
    elsewhere = ManualClock(START_S - 5 * HOUR_S)
    with hosting(tmp_path / "kms", clock=elsewhere) as host:
        patient.client(host)
        error = same_cause(patient, "CLOCK_SKEW", "clock")
        cause = patient.cause()
    assert error.hresult_text == "0xC004F06C"
    for told in (error.message, cause.seen):
        assert "2027-01-15 03:00:00" in told  # the host's
        assert "2027-01-15 08:00:00" in told  # the client's
        assert "5 h" in told


# --- what the host may do --------------------------------------------------------------------------------------------


def test_host_not_activated(tmp_path: Path, patient: Patient) -> None:
    with kms(tmp_path, patient, activated=False):
        error = same_cause(patient, "HOST_NOT_ACTIVATED", "chain")
    assert error.hresult_text == "0xC004F041"


class Paint(World):
    """The same publisher's other product, of another group."""

    @property
    def product(self) -> ProductFile:
        edition = Edition(id="acme-paint", name="Acme Paint", machine_class=MachineClass.CLIENT)
        return ProductFile(
            publisher="Acme Software",
            issued_s=START_S - 90 * DAY_S,
            product="acme-paint",
            name="Acme Paint",
            group="paint",
            editions=(edition,),
            policy=self.policy,
        )


def test_product_not_covered_by_the_hosts_certificate(tmp_path: Path, patient: Patient) -> None:
    with kms(tmp_path, patient, Paint()):
        error = same_cause(patient, "PRODUCT_NOT_COVERED", "chain")
    assert error.hresult_text == "0xC004F042"


def test_an_edition_that_the_host_does_not_know_is_told_by_the_probe(patient: Patient) -> None:
    with scripted_kms(patient) as host:
        result = ProbeResult(
            would_activate=False,
            code="PRODUCT_NOT_COVERED",
            message="not served",
            count=0,
            threshold=0,
            host_time_s=patient.here.clock.now_s(),
        )
        host.script = lambda request: (
            RawReply(encode(result))
            if host.paths[-1] == "/v1/probe"
            else host.say(host.claims(request, "PRODUCT_NOT_COVERED"))
        )
        same_cause(patient, "PRODUCT_NOT_COVERED", "chain")


def test_s9_count_n_of_n(tmp_path: Path, patient: Patient) -> None:
    with kms(tmp_path, patient) as host:
        for number in range(100, 117):
            host.activate(number)
        assert host.administration.counts()["acme"]["client"].current == 17
        cause = patient.cause()
        assert (cause.code, cause.step) == ("COUNT_INSUFFICIENT", "count")
        assert "18 of 25" in cause.seen  # the asking machine with the others
        assert "7 more machines" in cause.fix
        assert host.administration.counts()["acme"]["client"].current == 17  # the probe counts nobody
        error = same_cause(patient, "COUNT_INSUFFICIENT", "count")
        assert error.hresult_text == "0xC004F038"
        assert host.administration.counts()["acme"]["client"].current == 18


def test_what_a_newer_host_says_in_a_probe_is_told_with_its_own_code(patient: Patient) -> None:
    with scripted_kms(patient) as host:
        result = ProbeResult(
            would_activate=False,
            code="STORE_UNAVAILABLE",
            message="full\x1b[2J",
            count=0,
            threshold=25,
            host_time_s=START_S,
        )
        host.script = lambda _: RawReply(encode(result))
        cause = patient.cause()
    assert (cause.code, cause.step, cause.seen) == ("STORE_UNAVAILABLE", "protocol", "full [2J")


# --- trust -----------------------------------------------------------------------------------------------------------


def test_unknown_publisher(tmp_path: Path, patient: Patient) -> None:
    with kms(tmp_path, patient, World(publisher_key=signing_key(9))):
        same_cause(patient, "UNKNOWN_PUBLISHER", "chain")


def test_a_certificate_with_a_bad_signature(patient: Patient) -> None:
    token = patient.here.world.certificate_token()
    forged = f"{token[:-8]}AAAAAAAA" if not token.endswith("A") else f"{token[:-8]}BBBBBBBA"
    with scripted_kms(patient, describe(patient.here.world, START_S, host_certificate=forged)) as host:
        host.certificate = forged
        same_cause(patient, "BAD_SIGNATURE", "chain")


def test_a_lease_with_a_bad_signature_is_known_from_the_attempt_as_no_probe_is_signed(lone: Patient) -> None:
    with scripted_kms(lone) as host:
        good = ProbeResult(
            would_activate=True, code=None, message="yes", count=1, threshold=1, host_time_s=lone.here.clock.now_s()
        )
        host.script = lambda request: (
            RawReply(encode(good))
            if host.paths[-1] == "/v1/probe"
            else host.say(host.lease(request), key=signing_key(77))
        )
        assert lone.failure().code == "BAD_SIGNATURE"
        assert lone.status().code == "BAD_SIGNATURE"
        cause = lone.cause()
    assert (cause.code, cause.step, cause.level) == ("BAD_SIGNATURE", "attempt", Level.FAIL)


def test_host_certificate_expired(tmp_path: Path, patient: Patient) -> None:
    ended = patient.here.world.certificate_token(expires_s=START_S + DAY_S)
    patient.here.clock.advance(2 * DAY_S)
    now_s = patient.here.clock.now_s()
    with scripted_kms(patient, describe(patient.here.world, now_s, host_certificate=ended)) as host:
        host.certificate = ended
        error = same_cause(patient, "HOST_CERTIFICATE_EXPIRED", "chain")
    assert "2027-01-16" in error.message


def test_a_real_host_whose_certificate_expired_says_so_itself(tmp_path: Path, patient: Patient) -> None:
    with kms(tmp_path, patient):
        patient.here.clock.advance(731 * DAY_S)
        assert patient.cause().code == "HOST_CERTIFICATE_EXPIRED"
        assert patient.failure().code == "HOST_CERTIFICATE_EXPIRED"


def test_a_host_that_was_revoked(patient: Patient) -> None:
    with scripted_kms(patient) as host:
        host.script = lambda _: problem(HostRevokedError(host_id="kms", reason="stolen"))
        same_cause(patient, "HOST_REVOKED", "chain")


def test_a_certificate_that_ends_soon_is_a_warning_before_anything_fails(tmp_path: Path, lone: Patient) -> None:
    with kms(tmp_path, lone):
        lone.here.clock.advance(690 * DAY_S)
        lone.client().activate()
        checks = lone.checks()
    check = one(checks, "certificate")
    assert (check.level, check.code) == (Level.WARN, "HOST_CERTIFICATE_ENDING")
    assert "40 days" in check.seen
    assert "quorate host request" in check.fix
