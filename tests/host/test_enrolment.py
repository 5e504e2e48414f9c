"""A host that serves enrolled clients only: who is answered, who is not, and what an administrator can do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from quorate.core.enrolment import EnrolmentSecret, enrolled
from quorate.core.lease import Lease
from quorate.core.messages import ActivationRequest, encode
from quorate.core.policy import DAY_S
from quorate.errors import EnrolmentMissingError, FilePermissionsError, MalformedError
from quorate.host.admin.backup import back_up
from quorate.host.admin.restore import restore
from quorate.host.identity.enrolment import EnrolmentFile
from quorate.host.settings.paths import StatePaths
from quorate.host.store.store import Store
from tests.client.test_soft import two
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.hosting import Hosted, hosting, make_host, running

SECRET, NEWER, NEWEST = (EnrolmentSecret.from_entropy(bytes([n]) * 32) for n in (1, 2, 3))


def require(host: Hosted, secret: EnrolmentSecret = SECRET) -> None:
    """`quorate host enrolment on`, and the running host has noticed."""
    with host.noticing():
        host.administration.keyring.enrolment.require(secret, host.clock.now_s(), is_given=True)


def proven(host: Hosted, number: int, secret: EnrolmentSecret = SECRET) -> ActivationRequest:
    return enrolled(host.request(number), secret.key)


def told(host: Hosted, request: ActivationRequest, path: str = "/v1/activate") -> tuple[int, str]:
    """The HTTP status, and the problem's code."""
    reply = host.post(request, path)
    return reply.status, reply.problem.code


@pytest.mark.parametrize("path", ["/v1/activate", "/v1/probe"])
def test_a_client_without_the_secret_is_refused_and_neither_counted_nor_told_anything(
    tmp_path: Path, path: str
) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        for request in (host.request(1), host.request(2, "no-such-edition"), host.request(3, time_s=0)):
            reply = host.post(request, path)
            assert (reply.status, reply.problem.code) == (403, "ENROLMENT_REQUIRED")
            assert reply.body == host.post(host.request(4), path).body  # the same to everybody
        assert told(host, proven(host, 5, NEWER), path) == (403, "ENROLMENT_WRONG")
        assert host.administration.clients() == []
        assert host.administration.requests()["total"] == 0


def test_who_knows_the_secret_is_counted_and_activated(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        assert host.post(proven(host, 1)).status == 200
        request = proven(host, 2)
        assert isinstance(host.accept(request, host.post(request).answer), Lease)
        probe = host.post(proven(host, 3), "/v1/probe").json
        assert (probe["would_activate"], probe["count"]) == (True, 3)
        assert len(host.administration.clients()) == 2


def test_what_was_changed_on_its_way_is_refused(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        body = json.loads(encode(proven(host, 1)))
        body["previous_cmid"] = host.request(7).cmid  # which would take machine 7 out of the count
        assert host.http("POST", "/v1/activate", json.dumps(body).encode()).problem.code == "ENROLMENT_WRONG"


def test_a_request_that_was_overheard_counts_that_one_machine_and_no_other(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        overheard = proven(host, 1)
        answers = {host.post(overheard).status for _ in range(5)}
        assert answers == {200}
        assert len(host.administration.clients()) == 1
        host.clock.advance(4 * 3600 + 1)
        reply = host.post(overheard)  # the proof is as good as ever, the time in it is not
        assert reply.status == 200
        assert host.accept(overheard, reply.answer).code == "CLOCK_SKEW"  # type: ignore[union-attr] # a refusal


def test_a_host_that_asks_for_nothing_takes_a_proof_for_what_it_is(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        assert host.post(proven(host, 1)).status == 200
        assert host.post(host.request(2)).status == 200


def test_it_is_turned_on_and_off_while_the_host_runs_and_the_secret_stays(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        assert told(host, host.request(1))[1] == "ENROLMENT_REQUIRED"
        keyring = host.administration.keyring
        with host.noticing():
            keyring.enrolment.release()
        assert host.post(host.request(1)).status == 200
        with host.noticing():
            keyring.enrolment.require(NEWER, host.clock.now_s(), is_given=False)
        assert host.post(proven(host, 2, SECRET)).status == 200
        assert told(host, proven(host, 2, NEWER))[1] == "ENROLMENT_WRONG"


def test_after_a_rotation_the_secret_before_is_good_to_the_second(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        with host.noticing():
            host.administration.keyring.enrolment.rotate(NEWER, host.clock.now_s(), 30 * DAY_S)
        assert host.post(proven(host, 1, SECRET)).status == 200
        assert host.post(proven(host, 2, NEWER)).status == 200
        host.clock.advance(30 * DAY_S - 1)
        assert host.post(proven(host, 1, SECRET)).status == 200
        host.clock.advance(1)
        assert told(host, proven(host, 1, SECRET)) == (403, "ENROLMENT_WRONG")
        assert host.post(proven(host, 2, NEWER)).status == 200


def test_a_second_rotation_ends_the_oldest_secret_and_one_without_grace_ends_all_before(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        enrolment = host.administration.keyring.enrolment
        for secret in (NEWER, NEWEST):
            with host.noticing():
                enrolment.rotate(secret, host.clock.now_s(), DAY_S)
        assert told(host, proven(host, 1, SECRET))[1] == "ENROLMENT_WRONG"
        assert host.post(proven(host, 1, NEWER)).status == 200
        with host.noticing():
            enrolment.rotate(SECRET, host.clock.now_s(), 0)
        assert told(host, proven(host, 1, NEWEST))[1] == "ENROLMENT_WRONG"
        assert host.post(proven(host, 1, SECRET)).status == 200


def test_a_stranger_leaves_one_event_a_minute_and_no_more(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        for number in range(5):
            told(host, host.request(number))
        host.clock.advance(61)
        told(host, proven(host, 9, NEWER))
        host.stop()  # what waits to be written is written
    store = Store.open(StatePaths(host.state_dir).database)
    try:
        events = [each.event for each in store.reports.events(12290)]
    finally:
        store.close()
    assert [each.code for each in events] == ["ENROLMENT_REQUIRED", "ENROLMENT_WRONG"]


def test_a_secret_that_others_may_read_is_refused_at_the_start_and_ignored_while_it_runs(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        path = StatePaths(host.state_dir).enrolment
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)
        os.utime(path)
        assert told(host, host.request(1))[1] == "ENROLMENT_REQUIRED"  # it goes on as it was
    with (
        pytest.raises(FilePermissionsError, match=r"enrolment\.json may be read by others"),
        running(host.state_dir, host.world, host.clock),
    ):
        raise AssertionError


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"v":1,"required":true,"secret":"QE222","since_s":1}'])
def test_a_damaged_file_is_told_by_its_name(tmp_path: Path, content: bytes) -> None:
    world, clock = two(), ManualClock()
    make_host(tmp_path / "host", world, clock)
    paths = StatePaths(tmp_path / "host")
    EnrolmentFile(paths).require(SECRET, 1, is_given=True)
    paths.enrolment.write_bytes(content)
    with pytest.raises(MalformedError, match=r"enrolment\.json"), running(tmp_path / "host", world, clock):
        raise AssertionError


def test_without_a_secret_there_is_none_to_exchange_or_to_turn_off(tmp_path: Path) -> None:
    world, clock = two(), ManualClock()
    make_host(tmp_path / "host", world, clock)
    file = EnrolmentFile(StatePaths(tmp_path / "host"))
    with pytest.raises(EnrolmentMissingError):
        file.rotate(NEWER, 1, 0)
    with pytest.raises(EnrolmentMissingError):
        file.release()
    assert file.read() is None


def test_the_secret_is_in_no_status_event_page_or_repr(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        require(host)
        told(host, host.request(1))
        told(host, proven(host, 2, NEWER))
        shown = (
            host.admin("/api/v1/status").body + host.admin("/api/v1/events").body + host.http("GET", "/v1/host").body
        )
        shown += repr(host.server.service.credentials.enrolment).encode()
        for part in SECRET.text.split("-")[1:]:
            assert part.encode() not in shown
        assert json.loads(host.admin("/api/v1/status").body)["enrolment"] == {
            "required": True,
            "since_s": host.clock.now_s(),
            "previous_until_s": None,
        }


def test_a_backup_brings_the_secret_back_for_its_owner_alone(tmp_path: Path) -> None:
    world, clock = two(), ManualClock()
    make_host(tmp_path / "host", world, clock)
    EnrolmentFile(StatePaths(tmp_path / "host")).require(SECRET, 1, is_given=True)
    back_up(StatePaths(tmp_path / "host"), tmp_path / "kms.backup", clock, SeededEntropy())
    again = StatePaths(tmp_path / "again")
    restore(tmp_path / "kms.backup", again, clock, SeededEntropy())
    known = EnrolmentFile(again).read()
    assert known is not None
    assert (known.secret, known.is_required) == (SECRET, True)
    assert again.enrolment.stat().st_mode & 0o777 == 0o600
