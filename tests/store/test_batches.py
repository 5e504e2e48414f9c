"""Any way of cutting the same requests into batches gives the same decisions and the same tables.

`Naive` is the host's rule written a second time, as plainly as possible, without batches, limits or SQL.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.core.documents import ProductFile
from quorate.core.policy import DAY_S, HOUR_S, MachineClass, Policy, Threshold, Thresholds
from quorate.host.store.housekeeping import sweep_step
from quorate.host.store.record import Record
from quorate.host.store.schema import cmid_records
from quorate.host.store.store import Arrived, Store
from tests.store.world import CLIENT, SERVER, arrived, commit_of, key_of, product
from tests.support.clocks import START_S
from tests.support.documents import cmid_of, nonce_of

WINDOW_S = 3 * DAY_S
MACHINES = 7
_SMALL = Policy(
    thresholds=Thresholds(
        server=Threshold(2, (SERVER,)),
        client=Threshold(3, (SERVER, CLIENT)),
        ephemeral=Threshold(2, (CLIENT,)),
    ),
    count_window_s=WINDOW_S,
)
PRODUCTS = (product(_SMALL), product(_SMALL, name="cam"), product(_SMALL, group="other", name="erp"))


@dataclass(frozen=True)
class Question:
    """One request of the story: machine and nonce by number."""

    product: int
    machine_class: MachineClass
    machine: int
    nonce: int
    previous: int | None
    kind: str  # good, uncovered, or skewed
    commits: bool = False
    shows: tuple[int, int] | None = None  # a machine and the nonce of its question whose key is shown

    @property
    def lock(self) -> tuple[int, int] | None:
        return (self.machine, self.nonce) if self.commits else None

    def at(self, now_s: int) -> Arrived:
        return arrived(
            PRODUCTS[self.product],
            self.machine_class,
            cmid_of(self.machine),
            nonce_of(self.nonce),
            now_s,
            None if self.previous is None else cmid_of(self.previous),
            **({"commit": commit_of(self.machine, self.nonce)} if self.commits else {}),
            **({"reveals": (key_of(*self.shows),)} if self.shows is not None else {}),
            **({"edition": "nobody-knows"} if self.kind == "uncovered" else {}),
            **({"time_s": now_s - 5 * HOUR_S} if self.kind == "skewed" else {}),
        )


@dataclass
class Naive:
    """Groups of machines, each a dictionary of what was last heard."""

    groups: dict[str, dict[int | None, dict[str, Any]]] = field(default_factory=dict)
    total: int = 0
    failed: int = 0
    unserved: int = 0

    def ask(self, question: Question, now_s: int) -> tuple[str | None, int, int]:
        """Code, count, and when it was decided."""
        code, count, decided_s = self._decide(question, now_s)
        self.total += 1
        self.failed += code is not None
        self.unserved += code not in (None, "COUNT_INSUFFICIENT")
        return code, count, decided_s

    def _decide(self, question: Question, now_s: int) -> tuple[str | None, int, int]:
        if question.kind != "good":
            return ("CLOCK_SKEW" if question.kind == "skewed" else "PRODUCT_NOT_COVERED"), 0, now_s
        of: ProductFile = PRODUCTS[question.product]
        machines: dict[int | None, dict[str, Any]] = self.groups.setdefault(of.group, {})
        self.forget_lapsed(now_s)
        asked = (question.nonce, of.product, question.machine_class)
        before = machines.get(question.machine)
        is_own, locks = self._claim(question, before, asked, now_s)
        previous = machines.get(question.previous, {"lock": None})
        is_another = question.previous is not None and question.previous != question.machine
        if is_own and is_another and question.shows is not None and previous["lock"] == question.shows:
            del machines[question.previous]
        heard = machines.setdefault(question.machine, {"first": now_s, "requests": 0, "lease": None, "lock": None})
        if is_own:
            heard["class"], heard["product"] = question.machine_class, of.product
            heard["lock"], heard["proven"] = question.lock if locks else None, now_s
        heard["last"], heard["requests"] = now_s, heard["requests"] + 1
        policy = getattr(_SMALL.thresholds, question.machine_class.value)
        lease = heard["lease"]
        if lease is not None and lease[0] == asked and abs(now_s - lease[2]) < 4 * HOUR_S:
            return None, lease[1], lease[2]
        count = sum(each["class"] in policy.counts for each in machines.values())
        if count < policy.minimum:
            return "COUNT_INSUFFICIENT", count, now_s
        if is_own:
            heard["lease"] = (asked, min(count, 2 * policy.minimum), now_s)
        return None, min(count, 2 * policy.minimum), now_s

    def _claim(
        self, question: Question, before: dict[str, Any] | None, asked: tuple[Any, ...], now_s: int
    ) -> tuple[bool, bool]:
        """Whether it moves the record, and whether that takes its lock; all come from one place."""
        if before is None or (before["lock"] is not None and now_s - before["proven"] >= WINDOW_S):
            return True, True
        if before["lock"] is None:
            lease = before["lease"]
            return True, lease is None or lease[0][0] == question.nonce
        is_same_edition = (before["product"], before["class"]) == asked[1:]
        is_again = before["lock"] == question.lock and is_same_edition
        return question.commits and (question.shows == before["lock"] or is_again), True

    def forget_lapsed(self, now_s: int) -> None:
        for machines in self.groups.values():
            for machine in [number for number, heard in machines.items() if heard["last"] <= now_s - WINDOW_S]:
                del machines[machine]


questions = st.builds(
    Question,
    product=st.sampled_from([0, 0, 0, 1, 2]),
    machine_class=st.sampled_from(list(MachineClass)),
    machine=st.integers(0, MACHINES - 1),
    nonce=st.integers(0, 2),
    previous=st.one_of(st.none(), st.none(), st.integers(0, MACHINES - 1)),
    kind=st.sampled_from(["good"] * 8 + ["uncovered", "skewed"]),
    commits=st.booleans(),
    shows=st.none() | st.tuples(st.integers(0, MACHINES - 1), st.integers(0, 2)),
)
# What happens at one moment: how long after the one before, whether housekeeping came by, and batches of requests.
moments = st.lists(
    st.tuples(
        st.sampled_from([0, 1, HOUR_S, 4 * HOUR_S - 1, 4 * HOUR_S, DAY_S, WINDOW_S - 1, WINDOW_S]),
        st.booleans(),
        st.lists(st.lists(questions, min_size=1, max_size=8), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("batches") / "empty.sqlite3"
    Store.create(path).close()
    return path


@settings(max_examples=150, deadline=None)
@given(story=moments)
def test_batches_of_any_size_are_as_one_request_after_another(
    story: list[tuple[int, bool, list[list[Question]]]], empty_store: Path
) -> None:
    path = empty_store.with_name("story.sqlite3")
    for leftover in empty_store.parent.glob("story.sqlite3*"):
        leftover.unlink()
    shutil.copy(empty_store, path)
    store, naive, now_s = Store.open(path), Naive(), START_S
    try:
        for later_s, is_swept, batches in story:
            now_s += later_s
            if is_swept:
                assert sweep_step(store.database, None, now_s, {"acme": WINDOW_S}, WINDOW_S) is None
            for batch in batches:
                expected = [naive.ask(question, now_s) for question in batch]
                decided = store.decide([question.at(now_s) for question in batch], now_s)
                assert [(each.code, each.count, each.decided_s) for each in decided] == expected
        naive.forget_lapsed(now_s)
        sweep_step(store.database, None, now_s, {"acme": WINDOW_S}, WINDOW_S)
        assert _table(store) == _expected_table(naive)
        requests = store.reports.requests()
        assert (requests["total"], requests["failed"]) == (naive.total, naive.unserved)
        logged = store.reports.events(limit=1000)
        assert len(logged) == naive.total
        assert sum(each.event.code is not None for each in logged) == naive.failed
    finally:
        store.close()


def _table(store: Store) -> list[tuple[Any, ...]]:
    with store.database.reading() as connection:
        rows = [Record(*row) for row in connection.execute(cmid_records.select())]
    return sorted(
        (
            row.product_group,
            row.cmid.hex(),
            row.machine_class,
            row.edition,
            row.first_heard_s,
            row.last_heard_s,
            row.requests,
            row.lease_edition,
            row.lease_count,
            row.lease_issued_s,
        )
        for row in rows
    )


def _expected_table(naive: Naive) -> list[tuple[Any, ...]]:
    rows = []
    for group, machines in naive.groups.items():
        for number, heard in ((number, heard) for number, heard in machines.items() if number is not None):
            (_, name, kind), count, issued_s = heard["lease"] or ((0, None, CLIENT), None, None)
            rows.append(
                (
                    group,
                    cmid_of(number).replace("-", ""),
                    heard["class"].value,
                    f"{heard['product']}-{heard['class'].value}",
                    heard["first"],
                    heard["last"],
                    heard["requests"],
                    None if name is None else f"{name}-{kind.value}",
                    count,
                    issued_s,
                )
            )
    return sorted(rows)
