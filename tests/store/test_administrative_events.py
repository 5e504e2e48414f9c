"""Administrative events outlive what clients cause around them, and are told to be whole by themselves."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from quorate.core.checkpoint import read_checkpoint
from quorate.core.eventaudit import Break
from quorate.core.eventchain import Link, administrative_log, begin
from quorate.core.events import AdministrationChanged, ServiceFailed
from quorate.core.keys import VerifyKeys
from quorate.core.policy import DAY_S
from quorate.host.store import housekeeping
from quorate.host.store.chain import log_of
from quorate.host.store.checkpoints import seal
from quorate.host.store.housekeeping import Retention, trim_administrative_step, trim_events_step
from quorate.host.store.verify import LogVerdict, verify_log
from tests.store.world import SIGNER, Site
from tests.support.documents import cmid_of

HUGE = 2**40
KEYS = VerifyKeys.of([SIGNER.key.public()])


def note(site: Site, what: str) -> int:
    """Somebody does something; the number of the event that says so."""
    site.store.record(
        AdministrationChanged(time_s=site.clock.now_s(), actor="ada", source="local", action="settings", message=what)
    )
    return site.store.reports.events(limit=1)[0].id


def trim(site: Site, number_max: int = 1000, age_max_s: int = 90 * DAY_S) -> None:
    """Retention of the log."""
    for _ in range(1000):
        if not trim_events_step(
            site.store.database, site.clock.now_s(), Retention(age_max_s, number_max, HUGE), SIGNER
        ):
            return
    raise AssertionError("trimming does not end")


def file_away(site: Site, age_max_s: int, bytes_max: int = HUGE) -> None:
    """Retention of the administrative events."""
    kept = Retention(age_max_s, 2**53, bytes_max)
    for _ in range(1000):
        if not trim_administrative_step(site.store.database, site.clock.now_s(), kept, SIGNER):
            return
    raise AssertionError("trimming does not end")


def verified(site: Site) -> LogVerdict:
    return verify_log(site.store.database, SIGNER.host_id, KEYS)


def numbers(site: Site, event_id: int = 12315) -> list[int]:
    return [each.id for each in site.store.reports.iter_events(event_id)]


@pytest.fixture
def crowded(site: Site) -> Site:
    """Three changes in a crowd of requests; retention has left ten events of the log."""
    site.ask_all(range(5))
    note(site, "one")
    site.ask_all(range(400))
    note(site, "two")
    seal(site.store.database, SIGNER, site.clock.now_s())
    site.ask_all(range(840))
    trim(site, 10)
    note(site, "three")
    return site


def test_any_number_of_requests_removes_no_administrative_event(crowded: Site) -> None:
    assert numbers(crowded) == [6, 407, 1248]
    assert len(numbers(crowded, 12290)) == 10
    assert verified(crowded).finding is None
    assert verified(crowded).administrative == 3
    crowded.reopen()
    trim(crowded, 1)
    assert numbers(crowded) == [6, 407, 1248]
    assert verified(crowded).finding is None


def test_clones_and_crowded_sources_are_caused_by_clients_and_go_with_them(site: Site) -> None:
    """What a stranger can write any number of has no place in the other quota."""
    site.ask_all([1])
    with site.store.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM administrative_events").scalar()
    assert rows == 0


def test_all_of_them_are_one_log_in_the_order_of_its_numbers(crowded: Site) -> None:
    shown = [each.id for each in crowded.store.reports.iter_events()]
    assert shown == sorted(set(shown))
    assert shown[:3] == [6, 407, 1238]
    assert [each.id for each in crowded.store.reports.events(limit=12)] == [407, *range(1238, 1249)]
    assert [each.id for each in crowded.store.reports.events(after_id=6, limit=2)] == [407, 1238]


def test_their_own_retention_is_by_age_and_size(site: Site) -> None:
    for day in range(10):
        note(site, f"day {day}")
        site.ask_all(range(3))
        site.clock.advance(DAY_S)
    trim(site, 1)
    file_away(site, 5 * DAY_S + 1)
    assert len(numbers(site)) == 5
    assert verified(site).finding is None
    assert verified(site).administrative == 5
    file_away(site, HUGE, 1000)
    assert 0 < len(numbers(site)) < 5
    assert verified(site).finding is None
    site.clock.advance(1000 * DAY_S)
    file_away(site, DAY_S)
    assert len(numbers(site)) == 1, "the newest stays, as what comes next follows it"
    note(site, "later")
    assert verified(site).finding is None


def test_a_long_time_is_trimmed_in_short_steps(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "STEP_EVENTS", 7)
    for round_ in range(20):
        note(site, f"round {round_}")
        site.ask_all(range(9))
    site.clock.advance(DAY_S)
    note(site, "today")
    file_away(site, DAY_S)
    assert len(numbers(site)) == 21, "those that the log itself still has are shown all the same"
    trim(site, 1, DAY_S)
    assert len(numbers(site)) == 1
    assert verified(site).finding is None


EDITS = [
    ("UPDATE administrative_events SET data = replace(data, 'one', 'xxx') WHERE id = 6", Break.EDITED, 6),
    ("UPDATE administrative_events SET data = CAST(replace(data, 'one', 'xxx') AS BLOB) WHERE id = 6", Break.EDITED, 6),
    ("UPDATE administrative_events SET data = zeroblob(9000000) WHERE id = 6", Break.EDITED, 6),
    ("UPDATE administrative_events SET event_id = 12291 WHERE id = 6", Break.EDITED, 6),
    ("UPDATE administrative_events SET time_s = 'x' WHERE id = 407", Break.EDITED, 407),
    ("UPDATE administrative_events SET digest = 5 WHERE id = 407", Break.EDITED, 407),
    ("DELETE FROM administrative_events WHERE id = 6", Break.EDITED, 407),
    ("DELETE FROM administrative_events WHERE id = 407", Break.EDITED, 1248),
    ("DELETE FROM administrative_events WHERE id = 1248", Break.MISSING, 1248),
    ("DELETE FROM administrative_events WHERE id > 6", Break.TRUNCATED, 407),
    ("DELETE FROM administrative_events", Break.TRUNCATED, 407),
    ("INSERT INTO administrative_events SELECT 9, time_s, event_id, data, digest, upto_bytes "
        "FROM administrative_events WHERE id = 6", Break.EDITED, 9),
    ("INSERT INTO administrative_events SELECT -1, time_s, event_id, data, digest, upto_bytes "
        "FROM administrative_events WHERE id = 6", Break.ADDED, -1),
    ("INSERT INTO administrative_marks VALUES (6, 'x')", Break.CHECKPOINT, 6),
    ("INSERT INTO administrative_marks SELECT number, token FROM event_checkpoints LIMIT 1", Break.CHECKPOINT, None),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "kind", "number"), EDITS)
def test_what_is_done_to_them_by_hand_is_found(crowded: Site, statement: str, kind: Break, number: int | None) -> None:
    assert verified(crowded).finding is None
    with closing(sqlite3.connect(crowded.path)) as by_hand, by_hand:
        by_hand.execute(statement)
    finding = verified(crowded).finding
    assert finding is not None
    assert finding.kind is kind
    assert number is None or finding.number == number
    note(crowded, "and the host goes on")
    seal(crowded.store.database, SIGNER, 1)
    trim(crowded, 5)
    file_away(crowded, HUGE)


def test_digests_that_were_made_anew_are_contradicted_by_a_checkpoint(crowded: Site) -> None:
    """Somebody who knows the rule and has not the key: every digest from event 6 on is calculated again."""
    seal(crowded.store.database, SIGNER, crowded.clock.now_s(), is_asked=True)
    with crowded.store.database.writing() as connection:
        rows = connection.exec_driver_sql("SELECT id, data FROM administrative_events ORDER BY id").all()
        place = _beginning(crowded)
        for number, data in rows:
            changed = data.replace(b"one", b"not")
            place = place.on_to(number, changed)
            connection.exec_driver_sql(
                "UPDATE administrative_events SET data = ?, digest = ?, upto_bytes = ? WHERE id = ?",
                (changed, place.digest, place.upto_bytes, number),
            )
    finding = verified(crowded).finding
    assert finding is not None
    assert finding.kind is Break.REWRITTEN


def _beginning(site: Site) -> Link:
    with site.store.database.reading() as connection:
        return begin(administrative_log(log_of(connection)))


def test_a_checkpoint_kept_elsewhere_vouches_for_what_retention_has_left_of_them(crowded: Site) -> None:
    sealed = seal(crowded.store.database, SIGNER, crowded.clock.now_s(), is_asked=True)
    assert sealed is not None
    assert sealed.token is not None
    outside = read_checkpoint(sealed.token, KEYS)
    crowded.ask_all(range(30))
    trim(crowded, 3)
    verdict = verify_log(crowded.store.database, SIGNER.host_id, KEYS, [outside])
    assert verdict.finding is None
    with closing(sqlite3.connect(crowded.path)) as connection, connection:
        connection.execute("DELETE FROM administrative_events")
        connection.execute("DELETE FROM event_checkpoints WHERE number < (SELECT min(id) - 1 FROM events)")
    finding = verify_log(crowded.store.database, SIGNER.host_id, KEYS, [outside]).finding
    assert finding is not None
    assert finding.kind is Break.TRUNCATED


def test_a_log_of_before_has_its_administrative_events_chained_as_they_stand(site: Site) -> None:
    """What the step of the migration writes out once more is the rule."""
    site.ask_all(range(5))
    site.store.record(ServiceFailed(time_s=site.clock.now_s(), message="port taken"))
    note(site, "one")
    site.ask_all(range(5))
    note(site, "two")
    with site.store.database.reading() as connection:
        before = connection.exec_driver_sql("SELECT * FROM administrative_events ORDER BY id").all()
    assert len(before) == 3
    site.store.close()
    with closing(sqlite3.connect(site.path)) as by_hand, by_hand:
        by_hand.execute("DROP TABLE administrative_events")
        by_hand.execute("DROP TABLE administrative_marks")
        by_hand.execute("ALTER TABLE cmid_records DROP COLUMN lock")
        by_hand.execute("ALTER TABLE cmid_records DROP COLUMN proven_s")
        by_hand.execute("UPDATE alembic_version SET version_num = '0004'")
    site.reopen()
    with site.store.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT * FROM administrative_events ORDER BY id").all() == before
    assert verified(site).finding is None
    assert cmid_of(1) in {row.cmid for row in site.store.reports.iter_clients()}
