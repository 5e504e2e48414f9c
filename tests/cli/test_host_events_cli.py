"""`quorate host events verify` and `checkpoint`, as an administrator types them on a host that has answered clients."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_host_cli import quorate, said
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.hosting import hosting, make_host, running

WORLD = World()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The folder of a host that has answered five machines and was stopped."""
    with hosting(tmp_path, WORLD) as host:
        for number in range(5):
            host.activate(number)
    return tmp_path / "host"


def by_hand(state: Path, statement: str, *values: int) -> None:
    with closing(sqlite3.connect(state / "host.db")) as connection, connection:
        connection.execute(statement, values)


def verified(state: Path, *words: str) -> tuple[int, Any]:
    done = quorate("host", "events", "verify", *words, "--json", state_dir=state)
    return done.returncode, json.loads(done.stdout)


def last_number(state: Path) -> int:
    return int(said("events", "--limit", "1", state_dir=state)["id"])


def test_a_host_that_was_stopped_has_vouched_for_all_of_its_log(state: Path) -> None:
    code, shown = verified(state)
    assert (code, shown["whole"], shown["finding"]) == (0, True, None)
    assert shown["first"] == 1
    assert shown["last"] == shown["sealed_to"] == shown["checked"] == last_number(state)
    words = quorate("host", "events", "verify", state_dir=state)
    assert words.returncode == 0
    assert "Event log:   whole" in words.stdout


def test_an_edit_ends_with_1_names_the_event_and_says_what_to_do(state: Path) -> None:
    by_hand(state, "UPDATE events SET data = CAST(replace(data, 'pc-', 'xx-') AS BLOB) WHERE event_id = 12290")
    code, shown = verified(state)
    assert (code, shown["whole"], shown["finding"]["kind"]) == (1, False, "edited")
    words = quorate("host", "events", "verify", state_dir=state)
    assert words.returncode == 1
    number = shown["finding"]["number"]
    assert f"error: the event log is not what this host wrote: event {number} is not what was written" in words.stderr
    assert "hint: Keep a copy of the state folder" in words.stderr


def test_a_checkpoint_kept_elsewhere_finds_what_was_cut_off(state: Path, tmp_path: Path) -> None:
    kept = tmp_path / "monday.checkpoint"
    made = said("events", "checkpoint", "-o", str(kept), state_dir=state)
    assert made["number"] == last_number(state)
    assert verified(state, "--checkpoint", str(kept))[1]["compared"] == [made["number"]]
    by_hand(state, "DELETE FROM events WHERE id > ?", made["number"] - 2)
    by_hand(state, "DELETE FROM event_checkpoints")
    assert verified(state)[0] == 0
    code, shown = verified(state, "--checkpoint", str(kept))
    assert (code, shown["finding"]["kind"], shown["finding"]["number"]) == (1, "truncated", made["number"] - 1)
    assert "restored from an older backup" in shown["finding"]["hint"]


def test_no_checkpoint_is_made_of_a_log_that_was_cut(state: Path, tmp_path: Path) -> None:
    by_hand(state, "DELETE FROM events WHERE id = ?", last_number(state))
    done = quorate("host", "events", "checkpoint", "-o", str(tmp_path / "new"), state_dir=state)
    assert done.returncode == 1
    assert "are gone from the end" in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_is_never_written_over_another_file(state: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    done = quorate("host", "events", "checkpoint", "-o", str(tmp_path / "there"), state_dir=state)
    assert (done.returncode, (tmp_path / "there").read_text()) == (1, "mine")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"a.b.c", b"x" * 10_000])
def test_a_file_that_is_no_checkpoint_is_refused(state: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "strange").write_bytes(content)
    done = quorate("host", "events", "verify", "--checkpoint", str(tmp_path / "strange"), state_dir=state)
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checkpoint_of_another_host_is_refused(state: Path, tmp_path: Path) -> None:
    make_host(tmp_path / "other", WORLD, ManualClock(), seed=2)
    kept = tmp_path / "other.checkpoint"
    said("events", "checkpoint", "-o", str(kept), state_dir=tmp_path / "other")
    done = quorate("host", "events", "verify", "--checkpoint", str(kept), state_dir=state)
    assert done.returncode == 1
    assert "not signed by this host" in done.stderr


def test_a_new_database_is_not_taken_for_the_old_one(state: Path, tmp_path: Path) -> None:
    kept = tmp_path / "monday.checkpoint"
    said("events", "checkpoint", "-o", str(kept), state_dir=state)
    (state / "host.db").unlink()
    assert quorate("host", "new-database", state_dir=state).returncode == 0
    code, shown = verified(state, "--checkpoint", str(kept))
    assert (code, shown["finding"]["kind"]) == (1, "replaced")
    assert "quorate host new-database" in shown["finding"]["hint"]


def test_a_restored_host_has_the_log_of_its_backup(state: Path, tmp_path: Path) -> None:
    backup, before, after = tmp_path / "kms.backup", tmp_path / "before", tmp_path / "after"
    said("events", "checkpoint", "-o", str(before), state_dir=state)
    said("backup", str(backup), state_dir=state)
    with running(state, WORLD, ManualClock()) as host:
        host.activate(7)
    said("events", "checkpoint", "-o", str(after), state_dir=state)
    restored = tmp_path / "restored"
    said("restore", str(backup), state_dir=restored)
    code, shown = verified(restored, "--checkpoint", str(before))
    assert (code, shown["whole"]) == (0, True)
    code, shown = verified(restored, "--checkpoint", str(after))
    assert (code, shown["finding"]["kind"]) == (1, "truncated")


def test_the_folder_may_stand_before_the_word_or_after_it(state: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    before = quorate("host", "events", "--state-dir", str(state), "--json", "verify", state_dir=nowhere)
    assert (before.returncode, json.loads(before.stdout)["whole"]) == (0, True)
    both = quorate("host", "events", "--state-dir", str(nowhere), "verify", "--state-dir", str(state))
    assert both.returncode == 0, both.stderr
    assert quorate("host", "events", "--state-dir", str(nowhere), "verify", state_dir=state).returncode == 1


def test_an_event_that_cannot_be_read_hides_no_other(state: Path) -> None:
    by_hand(state, "UPDATE events SET data = x'7b' WHERE id = 2")
    done = quorate("host", "events", "--json", state_dir=state)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["id"] for row in rows] == list(range(1, last_number(state) + 1))
    assert (rows[1]["event_id"], rows[1]["code"]) == (12318, "EVENT_DAMAGED")
    assert "EVENT_DAMAGED" in quorate("host", "events", state_dir=state).stdout
