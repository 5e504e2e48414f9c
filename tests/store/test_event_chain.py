"""The event log in the database: chained in the answer's transaction, and no hand in it goes unseen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from struct import pack

import pytest
from alembic import command
from alembic.config import Config

from quorate.core.checkpoint import CheckpointSigner, EventCheckpoint, read_checkpoint
from quorate.core.eventaudit import Audit, Break, Finding, Row
from quorate.core.events import PublicationFailed
from quorate.core.keys import SigningKey, VerifyKeys
from quorate.core.policy import DAY_S
from quorate.host.store import housekeeping, migrations
from quorate.host.store.checkpoints import seal
from quorate.host.store.database import Database
from quorate.host.store.housekeeping import Retention, trim_events_step
from quorate.host.store.store import Store
from quorate.host.store.verify import LogVerdict, verify_log
from tests.store.world import SIGNER, Site

KEYS = VerifyKeys.of([SIGNER.key.public()])
HUGE = 2**40


def verified(site: Site, elsewhere: Sequence[EventCheckpoint] = ()) -> LogVerdict:
    return verify_log(site.store.database, SIGNER.host_id, KEYS, elsewhere)


def sealed(site: Site) -> EventCheckpoint:
    """A checkpoint of the log as it stands."""
    made = seal(site.store.database, SIGNER, site.clock.now_s(), is_asked=True)
    assert made is not None
    assert made.token is not None
    return read_checkpoint(made.token, KEYS)


def by_hand(site: Site, *statements: str) -> None:
    """What somebody with a database tool does."""
    with closing(sqlite3.connect(site.path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def trim(site: Site, number_max: int) -> None:
    while trim_events_step(site.store.database, site.clock.now_s(), Retention(DAY_S, number_max, HUGE), SIGNER):
        pass


def found(verdict: LogVerdict) -> tuple[Break, int | None]:
    assert verdict.finding is not None, "nothing was found"
    return verdict.finding.kind, verdict.finding.number


# --- whole -----------------------------------------------------------------------------------------------------------


def test_a_new_log_is_whole(site: Site) -> None:
    verdict = verified(site)
    assert (verdict.finding, verdict.first, verdict.last, verdict.checked) == (None, None, None, 0)


def test_every_answer_and_every_other_event_is_chained(site: Site) -> None:
    site.ask_all(range(300))
    site.store.record(PublicationFailed(time_s=1, code="X", domain="example.org", message="no"))
    site.ask(1)
    verdict = verified(site)
    assert (verdict.finding, verdict.first, verdict.last, verdict.checked) == (None, 1, 302, 302)


def test_two_processes_that_write_in_turn_keep_one_chain(site: Site) -> None:
    with closing(Store.open(site.path)) as other:
        for turn in range(5):
            site.ask_all(range(turn * 3, turn * 3 + 3))
            other.record(PublicationFailed(time_s=turn, code="X", domain="example.org", message="no"))
    verdict = verified(site)
    assert (verdict.finding, verdict.checked) == (None, 20)


def test_a_log_that_was_trimmed_is_whole_and_says_where_it_begins(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "STEP_EVENTS", 7)
    site.ask_all(range(60))
    sealed(site)
    site.ask_all(range(5))
    trim(site, 20)
    verdict = verified(site)
    assert (verdict.finding, verdict.first, verdict.checked) == (None, 46, 20)
    assert (verdict.checkpoints, verdict.sealed_to) == (2, 60)  # the mark of the removal, and that of the hour
    site.ask_all(range(5))
    trim(site, 1)
    assert (verified(site).finding, verified(site).first) == (None, 70)


def test_a_checkpoint_is_only_made_where_something_came(site: Site) -> None:
    site.ask(1)
    assert seal(site.store.database, SIGNER, 1) is not None
    assert seal(site.store.database, SIGNER, 2) is None
    site.ask(1)
    assert seal(site.store.database, SIGNER, 3) is not None
    assert verified(site).checkpoints == 2


def test_more_checkpoints_than_are_kept_leave_the_log_whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.host.store.checkpoints.CHECKPOINTS_MAX", 5)
    monkeypatch.setattr("quorate.host.store.checkpoints._THINNED", 2)
    site.ask_all(range(10))
    trim(site, 3)
    for machine in range(20):
        site.ask(machine)
        sealed(site)
    verdict = verified(site)
    assert (verdict.finding, verdict.first, verdict.sealed_to) == (None, 8, 30)
    assert verdict.checkpoints <= 6


# --- changed by hand -------------------------------------------------------------------------------------------------

EDITS: list[tuple[str, Break, int | None]] = [
    ("UPDATE events SET data = replace(data, 'pc-', 'xx-') WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET data = CAST(replace(data, 'pc-', 'xx-') AS BLOB) WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET data = x'' WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET data = zeroblob(90000000) WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET data = 5 WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET code = NULL WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET code = CAST(x'ff' AS TEXT) WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET event_id = 12291 WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET event_id = 'x' WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET time_s = time_s + 1 WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET cmid = NULL WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET digest = randomblob(32) WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET digest = 'text' WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET upto_bytes = upto_bytes + 1 WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET upto_bytes = 'x' WHERE id = 17", Break.EDITED, 17),
    ("UPDATE events SET digest = x'' WHERE id = 17", Break.ADDED, 17),
    ("DELETE FROM events WHERE id = 17", Break.MISSING, 17),
    ("DELETE FROM events WHERE id BETWEEN 17 AND 20", Break.MISSING, 17),
    ("DELETE FROM events WHERE id < 17", Break.MISSING, 1),
    ("DELETE FROM events WHERE id > 17", Break.TRUNCATED, 18),
    ("DELETE FROM events", Break.TRUNCATED, 1),
    (
        "INSERT INTO events (id, time_s, event_id, data) SELECT 31, time_s, event_id, data FROM events WHERE id = 30",
        Break.ADDED,
        31,
    ),
    ("INSERT INTO events SELECT 31, time_s, event_id, code, cmid, data, digest, upto_bytes FROM events WHERE id = 30",
        Break.EDITED, 31),
    ("INSERT INTO events SELECT 0, time_s, event_id, code, cmid, data, digest, upto_bytes FROM events WHERE id = 30",
        Break.ADDED, 0),
    ("INSERT INTO events SELECT -9, time_s, event_id, code, cmid, data, digest, upto_bytes FROM events WHERE id = 30",
        Break.ADDED, -9),
    (
        "INSERT INTO events SELECT 9223372036854775807, time_s, event_id, code, cmid, data, digest, upto_bytes"
        " FROM events WHERE id = 30",
        Break.MISSING,
        31,
    ),
    ("UPDATE events SET digest = 7, upto_bytes = 'x', data = 5 WHERE id = 30", Break.EDITED, 30),
    ("UPDATE events SET upto_bytes = 9223372036854775807 WHERE id = 30", Break.EDITED, 30),
    ("UPDATE event_log SET name = randomblob(16)", Break.CHECKPOINT, 10),
    ("DELETE FROM event_log", Break.REPLACED, None),
    ("UPDATE event_checkpoints SET number = 25 WHERE number = 30", Break.CHECKPOINT, 25),
    ("UPDATE event_checkpoints SET token = 'x' WHERE number = 30", Break.CHECKPOINT, 30),
    ("UPDATE event_checkpoints SET token = CAST(x'ff00' AS TEXT) WHERE number = 30", Break.CHECKPOINT, 30),
    ("UPDATE event_checkpoints SET token = substr(token, 1, length(token) - 8) || 'AAAAAAAA'", Break.CHECKPOINT, 10),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "kind", "number"), EDITS)
def test_an_edit_is_found_and_its_event_named(site: Site, statement: str, kind: Break, number: int | None) -> None:
    site.ask_all(range(10))
    sealed(site)
    site.ask_all(range(20))
    sealed(site)
    assert verified(site).finding is None
    by_hand(site, statement)
    verdict = verified(site)
    assert found(verdict) == (kind, number)
    site.ask_all(range(5))  # and the host goes on
    site.store.record(PublicationFailed(time_s=1, code="X", domain="example.org", message="no"))
    seal(site.store.database, SIGNER, 1)
    trim(site, 34)
    assert verified(site).finding is not None


SWAPS = [
    (
        "CREATE TEMP TABLE kept AS SELECT 13 - id AS id, data FROM events WHERE id IN (5, 8)",
        "UPDATE events SET data = (SELECT data FROM kept WHERE kept.id = events.id) WHERE id IN (5, 8)",
    ),
    (
        "UPDATE events SET id = id - 13 WHERE id IN (5, 8)",
        "UPDATE events SET id = -id WHERE id < 0",
    ),
]


@pytest.mark.parametrize("statements", SWAPS)
def test_two_events_that_were_exchanged_are_told_as_such(site: Site, statements: tuple[str, ...]) -> None:
    site.ask_all(range(20))
    by_hand(site, *statements)
    verdict = verified(site)
    assert found(verdict) == (Break.REORDERED, 5)
    assert verdict.finding is not None
    assert "stands as event 8" in verdict.finding.message
    assert verdict.checked == 4


def test_events_removed_from_the_beginning_are_told_from_retention(site: Site) -> None:
    site.ask_all(range(30))
    trim(site, 20)
    sealed(site)
    by_hand(site, "DELETE FROM events WHERE id = 11")
    assert found(verified(site)) == (Break.MISSING, 11)


def test_an_hours_checkpoint_does_not_pass_for_a_mark_of_retention(site: Site) -> None:
    site.ask_all(range(10))
    sealed(site)
    site.ask_all(range(10))
    sealed(site)
    by_hand(site, "DELETE FROM events WHERE id <= 10", "DELETE FROM event_checkpoints WHERE number < 10")
    assert found(verified(site)) == (Break.MISSING, 1)


def test_a_log_whose_mark_was_taken_away_is_not_whole(site: Site) -> None:
    site.ask_all(range(30))
    trim(site, 20)
    sealed(site)
    by_hand(site, "DELETE FROM event_checkpoints WHERE number = 10")
    assert found(verified(site)) == (Break.CHECKPOINT, 10)


def test_a_checkpoint_of_another_key_is_not_ours(site: Site) -> None:
    site.ask_all(range(3))
    stranger = CheckpointSigner(SIGNER.host_id, SigningKey.from_seed(bytes(32)))
    seal(site.store.database, stranger, 1)
    assert found(verified(site)) == (Break.CHECKPOINT, 3)


def chain_anew(site: Site, first: int) -> None:
    """What somebody does who knows the rule, and may write to the file."""
    rows = "SELECT id, data FROM events WHERE id >= ? ORDER BY id"
    with closing(sqlite3.connect(site.path)) as connection, connection:
        before = "SELECT digest, upto_bytes FROM events WHERE id = ?"
        digest, upto = connection.execute(before, (first - 1,)).fetchone()
        for number, data in connection.execute(rows, (first,)).fetchall():
            upto += len(data) + 96
            digest = sha256(digest + pack(">QQ", number, upto) + data).digest()
            connection.execute("UPDATE events SET digest = ?, upto_bytes = ? WHERE id = ?", (digest, upto, number))


def test_a_chain_that_was_made_anew_is_found_by_the_next_checkpoint(site: Site) -> None:
    site.ask_all(range(10))
    sealed(site)
    site.ask_all(range(10))
    sealed(site)
    by_hand(site, "UPDATE events SET data = CAST(replace(data, '192.0.2.7', '192.0.2.8') AS BLOB) WHERE id = 15")
    chain_anew(site, 15)
    verdict = verified(site)
    assert found(verdict) == (Break.REWRITTEN, 11)
    assert verdict.finding is not None
    assert "one of events 11 to 20" in verdict.finding.message


def test_what_is_made_anew_together_with_its_checkpoints_is_found_by_one_kept_elsewhere(site: Site) -> None:
    site.ask_all(range(20))
    elsewhere = sealed(site)
    by_hand(
        site,
        "UPDATE events SET data = CAST(replace(data, '192.0.2.7', '192.0.2.8') AS BLOB) WHERE id = 15",
        "DELETE FROM event_checkpoints",
    )
    chain_anew(site, 15)
    site.ask_all(range(20))
    assert verified(site).finding is None  # as the threat model says
    assert found(verified(site, [elsewhere])) == (Break.REWRITTEN, 1)


# --- against a checkpoint kept elsewhere -----------------------------------------------------------------------------


def test_a_log_that_grew_agrees_with_an_older_checkpoint(site: Site) -> None:
    site.ask_all(range(20))
    elsewhere = sealed(site)
    site.ask_all(range(20))
    assert verified(site, [elsewhere]).finding is None


def test_a_tail_cut_off_with_its_checkpoints_is_found(site: Site) -> None:
    site.ask_all(range(20))
    elsewhere = sealed(site)
    by_hand(site, "DELETE FROM events WHERE id > 12", "DELETE FROM event_checkpoints")
    assert verified(site).finding is None
    assert found(verified(site, [elsewhere])) == (Break.TRUNCATED, 13)
    site.ask_all(range(20))
    assert found(verified(site, [elsewhere])) == (Break.REWRITTEN, 1)


def test_a_checkpoint_of_what_retention_has_removed_is_not_compared_and_said(site: Site) -> None:
    site.ask_all(range(20))
    old = sealed(site)
    site.ask_all(range(20))
    trim(site, 10)
    verdict = verified(site, [old])
    assert (verdict.finding, verdict.not_compared) == (None, (20,))


def test_another_database_is_told_by_the_name_of_its_log(site: Site, tmp_path: Path) -> None:
    site.ask_all(range(20))
    elsewhere = sealed(site)
    other = Site(tmp_path / "other.sqlite3")
    try:
        other.ask_all(range(40))
        assert found(verified(other, [elsewhere])) == (Break.REPLACED, None)
    finally:
        other.store.close()


def test_a_checkpoint_of_an_empty_log_holds_for_what_follows(site: Site) -> None:
    elsewhere = sealed(site)
    assert elsewhere.number == 0
    site.ask_all(range(3))
    assert verified(site, [elsewhere]).finding is None


# --- upgrade, and long logs ------------------------------------------------------------------------------------------


def upgraded(path: Path, work: Callable[[sqlite3.Connection], object]) -> None:
    """A database of the schema before the chain, with what `work` puts into it."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    database = Database(path)
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    database.close()
    with closing(sqlite3.connect(path)) as raw, raw:
        work(raw)


def test_an_upgrade_chains_the_events_that_are_there(tmp_path: Path, site: Site) -> None:
    site.ask_all(range(40))
    path = tmp_path / "old.sqlite3"

    def copied(raw: sqlite3.Connection) -> None:
        raw.execute("ATTACH ? AS new", (str(site.path),))
        raw.execute(
            "INSERT INTO events SELECT id, time_s, event_id, code, cmid, data FROM new.events WHERE id > 12"
        )  # as after retention

    upgraded(path, copied)
    store = Store.open(path)
    try:
        verdict = verify_log(store.database, SIGNER.host_id, KEYS)
        assert (verdict.finding, verdict.first, verdict.checked) == (None, 13, 28)
        seal(store.database, SIGNER, 1)
        assert verify_log(store.database, SIGNER.host_id, KEYS).finding is None
        while trim_events_step(store.database, 1, Retention(10 * DAY_S, 5, HUGE), SIGNER):
            pass
        verdict = verify_log(store.database, SIGNER.host_id, KEYS)
        assert (verdict.finding, verdict.first) == (None, 36)
    finally:
        store.close()


def test_an_upgrade_of_an_empty_log_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    upgraded(path, lambda raw: None)
    with closing(Store.open(path)) as store:
        assert verify_log(store.database, SIGNER.host_id, KEYS).finding is None


def test_the_host_may_write_while_its_log_is_verified(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.host.store.verify.ROWS_AT_ONCE", 5)
    site.ask_all(range(100))
    steps: list[int] = []

    class Busy(Audit):
        def step(self, row: Row) -> Finding | None:
            if len(steps) in (20, 60):
                site.ask_all(range(100, 120))
                trim(site, 10)
            steps.append(row.number)
            return super().step(row)

    monkeypatch.setattr("quorate.host.store.verify.Audit", Busy)
    verdict = verified(site)
    assert (verdict.finding, steps) == (None, list(range(1, 101)))
