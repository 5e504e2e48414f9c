"""The record of changes is part of the change: both or neither, and nothing in it that a terminal would obey."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from quorate.core.admintoken import Scope
from quorate.errors import ProductKeyInvalidError, StoreUnavailableError
from quorate.host.admin.administration import Administration
from quorate.host.admin.audit import (
    LOCAL_SOURCE,
    TEXT_MAX,
    Actor,
    told,
)
from quorate.host.settings.paths import StatePaths
from quorate.host.store.transaction import Transaction
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import World
from tests.support.hosting import make_host

AFAR = Actor("alice", "10.0.0.7")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Administration]:
    make_host(tmp_path, World(), ManualClock())
    with Administration.open(StatePaths(tmp_path), ManualClock(), SeededEntropy(4)) as administration:
        yield administration


def test_a_change_that_cannot_be_recorded_is_not_made(host: Administration, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Transaction, event: object) -> None:
        raise StoreUnavailableError(reason="the disk is full", path="host.db", retry_after_s=1)

    before = len(host.events(12315, None, 1000))
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "record", full)
        with pytest.raises(StoreUnavailableError):
            host.set_settings({"renewal-interval": "60"}, AFAR)
    assert host.settings().renewal_interval_min == 10_080
    [refused] = host.events(12315, None, 1000)[before:]
    assert (refused["actor"], refused["code"]) == ("alice", "STORE_UNAVAILABLE")


def test_a_store_that_somebody_holds_stops_a_change_of_files_too(host: Administration) -> None:
    kept = host.paths.product_key.read_bytes()
    with closing(sqlite3.connect(host.paths.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError):
            host.remove_key_text(AFAR)
        other.execute("ROLLBACK")
    assert host.paths.product_key.read_bytes() == kept
    assert host.remove_key_text(AFAR)


def test_a_refused_change_leaves_its_event_and_nothing_else(host: Administration) -> None:
    kept = host.paths.product_key.read_bytes()
    with pytest.raises(ProductKeyInvalidError):
        host.install_key("QHXXX-XXXXX-XXXXX-XXXXX-XXXXX", AFAR)
    assert host.paths.product_key.read_bytes() == kept
    [*_, row] = host.events(12315, None, 1000)
    assert (row["actor"], row["source"], row["action"]) == ("alice", "10.0.0.7", "install-key")
    assert (row["code"], row["hresult"], row["level"]) == ("PRODUCT_KEY_INVALID", 0xC004F050, "error")


def test_who_works_on_the_machine_is_named_by_the_operating_system(host: Administration) -> None:
    host.set_settings({"renewal-interval": "60"})
    [*_, row] = host.events(12315, None, 1000)
    me = Actor.this_user()
    assert (row["actor"], row["source"]) == (me.name, LOCAL_SOURCE)
    assert me.name


def test_what_came_from_elsewhere_is_fit_for_a_terminal_and_bounded() -> None:
    event = told(1, Actor("a\x1b[31m" * 100, "\u202e10.0.0.7"), "settings", "x\n\x07\u2028" * 1000)
    for text in (event.actor, event.source, event.message):
        assert text.isprintable()
    assert len(event.message) == TEXT_MAX
    assert len(event.actor) <= 100


def test_tokens_that_are_made_at_one_moment_are_all_kept(tmp_path: Path) -> None:
    make_host(tmp_path, World(), ManualClock())
    start = threading.Barrier(4)

    def make(number: int) -> None:
        with Administration.open(StatePaths(tmp_path), ManualClock(), SeededEntropy(number)) as administration:
            start.wait(30)
            for each in range(4):
                administration.add_token(f"n{number}-{each}", Scope.READ, None, SeededEntropy(10 * number + each))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    with Administration.open(StatePaths(tmp_path), ManualClock(), SeededEntropy(9)) as administration:
        assert len(administration.tokens()) == 16
        assert sum(row["action"] == "token" for row in administration.events(12315, None, 1000)) == 16
