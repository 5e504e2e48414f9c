"""The activation count of a real store, statement by statement (BEHAVIOUR.md)."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.core.policy import DAY_S, HOUR_S, MachineClass
from quorate.host.store.store import BATCH_MAX
from tests.store.world import CLIENT, EPHEMERAL, SERVER, Site, arrived, commit_of, key_of, product
from tests.support.documents import cmid_of, nonce_of


def test_s05_no_activation_at_threshold_minus_one_activation_at_threshold(site: Site) -> None:
    before = site.ask_all(range(24))
    assert {decided.code for decided in before} == {"COUNT_INSUFFICIENT"}
    assert site.ask(24).code is None


def test_s06_servers_are_refused_at_four_and_activated_at_five(site: Site) -> None:
    assert [decided.code for decided in site.ask_all(range(4), SERVER)] == ["COUNT_INSUFFICIENT"] * 4
    fifth = site.ask(4, SERVER)
    assert (fifth.code, fifth.count, fifth.threshold) == (None, 5, 5)


def test_s06_four_servers_and_thirty_clients_activate_no_server(site: Site) -> None:
    site.ask_all(range(100, 130), CLIENT)
    decided = site.ask_all(range(4), SERVER)[-1]
    assert (decided.code, decided.count, decided.threshold) == ("COUNT_INSUFFICIENT", 4, 5)


def test_s06_four_servers_and_thirty_clients_activate_a_server_under_combined(combined: Site) -> None:
    combined.ask_all(range(100, 130), CLIENT)
    decided = combined.ask_all(range(4), SERVER)[-1]
    assert decided.code is None


def test_s06_three_clients_and_two_servers_activate_the_servers_under_combined(combined: Site) -> None:
    combined.ask_all(range(100, 103), CLIENT)
    assert [decided.code for decided in combined.ask_all(range(2), SERVER)] == ["COUNT_INSUFFICIENT", None]


@pytest.mark.parametrize("one_more", [SERVER, CLIENT])
def test_s07_five_servers_and_nineteen_clients_are_one_too_few(site: Site, one_more: MachineClass) -> None:
    site.ask_all(range(5), SERVER)
    nineteen = site.ask_all(range(100, 119), CLIENT)
    assert (nineteen[-1].code, nineteen[-1].count) == ("COUNT_INSUFFICIENT", 24)
    site.ask(200, one_more)
    assert site.ask(100, CLIENT).code is None


def test_s07_ephemeral_machines_are_served_and_never_counted(site: Site) -> None:
    site.ask_all(range(24), CLIENT)
    refused = site.ask(500, EPHEMERAL)
    assert (refused.code, refused.count, refused.threshold) == ("COUNT_INSUFFICIENT", 24, 25)
    site.ask(24, CLIENT)
    assert site.ask(501, EPHEMERAL).code is None
    assert site.count() == 25


def test_s08_the_count_survives_a_restart(site: Site) -> None:
    site.ask_all(range(18))
    site.reopen()
    assert site.count() == 18
    assert site.ask(18).count == 19


def test_s09_below_the_threshold_the_answer_says_how_many_of_how_many(site: Site) -> None:
    decided = site.ask_all(range(18))[-1]
    assert (decided.code, decided.count, decided.threshold) == ("COUNT_INSUFFICIENT", 18, 25)


def test_s10_when_the_count_falls_activation_stops_for_new_and_old_alike(site: Site) -> None:
    site.ask_all(range(2))
    site.clock.advance(10 * DAY_S)
    assert site.ask_all(range(2, 25))[-1].code is None
    site.clock.advance(21 * DAY_S)
    assert site.ask(2).count == 23
    assert site.ask(2).code == "COUNT_INSUFFICIENT"
    assert site.ask(100).code == "COUNT_INSUFFICIENT"  # the 24th
    assert site.ask(101).code is None  # the 25th


def test_s16_one_cmid_is_one_machine_and_two_are_two(site: Site) -> None:
    assert site.ask(1).count == 1
    assert site.ask(1).count == 1
    assert site.ask(2).count == 2
    assert [decided.count for decided in site.ask_all([3, 3, 2, 4, 3])] == [3, 3, 3, 4, 4]
    assert site.count() == 4


def test_s17_every_request_renews_the_record_refused_ones_too(site: Site) -> None:
    first_s = site.clock.now_s()
    site.ask(1)
    site.clock.advance(29 * DAY_S)
    assert site.ask(1).code == "COUNT_INSUFFICIENT"
    (row,) = site.store.reports.clients()
    assert (row.first_heard_s, row.last_heard_s, row.requests) == (first_s, site.clock.now_s(), 2)
    site.clock.advance(29 * DAY_S)
    assert site.count() == 1


def test_s18_present_at_thirty_days_less_a_second_and_gone_at_thirty_days(site: Site) -> None:
    site.ask(1)
    site.clock.advance(30 * DAY_S - 1)
    assert site.count() == 1
    assert site.probe(2).count == 2
    site.clock.advance(1)
    assert site.count() == 0
    assert site.probe(2).count == 1


def test_s18_a_machine_that_comes_back_after_its_record_lapsed_is_a_new_one(site: Site) -> None:
    site.ask(1)
    site.clock.advance(30 * DAY_S)
    site.ask(1)
    (row,) = site.store.reports.clients()
    assert (row.first_heard_s, row.requests) == (site.clock.now_s(), 1)


def test_s19_a_discarded_cmid_no_longer_counts(site: Site) -> None:
    site.ask(1)
    site.clock.advance(DAY_S)
    site.ask_all(range(2, 26))
    assert site.count() == 25
    site.clock.advance(29 * DAY_S)
    assert site.count() == 24
    assert site.ask(2).code == "COUNT_INSUFFICIENT"


def test_the_25th_in_a_batch_is_activated_and_the_24_before_it_are_not(site: Site) -> None:
    decided = site.ask_all(range(25))
    assert [each.count for each in decided] == list(range(1, 26))
    assert [each.code for each in decided] == ["COUNT_INSUFFICIENT"] * 24 + [None]
    assert [each.code for each in site.ask_all(range(24))] == [None] * 24


def test_the_count_is_shown_up_to_twice_the_threshold(site: Site) -> None:
    assert site.ask_all(range(400))[-1].count == 50
    assert site.ask(400).count == 50
    assert site.count() == 50
    assert site.ask_all(range(1000, 1040), SERVER)[-1].count == 10


def test_a_machine_of_another_class_is_counted_there_and_not_here(site: Site) -> None:
    site.ask_all(range(4), SERVER)
    site.ask(4, CLIENT)
    assert (site.count(SERVER), site.count(CLIENT)) == (4, 5)
    assert site.ask(4, SERVER).code is None  # the same machine, now the 5th server
    assert (site.count(SERVER), site.count(CLIENT)) == (5, 5)
    assert site.ask(4, EPHEMERAL).code == "COUNT_INSUFFICIENT"
    assert (site.count(SERVER), site.count(CLIENT)) == (4, 4)
    assert len(site.store.reports.clients()) == 5


def proved(site: Site, machine: int) -> None:
    """The machine asks, and leaves a lock that `rearm_of` can prove."""
    site.ask(machine, nonce=nonce_of(machine), commit=commit_of(machine, machine))


def rearm_of(machine: int) -> dict[str, Any]:
    return {"previous_cmid": cmid_of(machine), "reveals": (key_of(machine, machine),)}


def test_a_full_batch_that_takes_every_machine_away_still_counts_right(site: Site) -> None:
    for i in range(400):
        proved(site, i)
    batch = [site.request(1000 + i, EPHEMERAL, **rearm_of(i)) for i in range(200)]
    batch += [
        site.request(200 + i, EPHEMERAL, commit=commit_of(200 + i, 0), reveals=(key_of(200 + i, 200 + i),))
        for i in range(BATCH_MAX - len(batch))
    ]
    assert {decided.count for decided in site.decide(batch)} == {50}
    last = [site.request(2000 + i, EPHEMERAL, **rearm_of(256 + i)) for i in range(144)]
    counts = [decided.count for decided in site.decide(last)]
    assert counts == [min(50, 143 - i) for i in range(144)]


def test_machines_that_come_and_go_within_one_batch_count_right(site: Site) -> None:
    site.ask_all(range(30))
    come = [site.request(100 + i) for i in range(40)]
    go = [site.request(100 + i, EPHEMERAL) for i in range(20)]
    last = [site.request(0)]
    assert site.decide([*come, *go, *last])[-1].count == 50  # of 30 + 40 - 20 = 50, none lost on the way


def test_after_a_rearm_the_old_cmid_is_gone_in_the_same_transaction(site: Site) -> None:
    site.ask_all(number for number in range(25) if number != 3)
    proved(site, 3)
    decided = site.ask(100, **rearm_of(3))
    assert (decided.code, decided.count) == (None, 25)
    cmids = {row.cmid for row in site.store.reports.clients()}
    assert cmid_of(3) not in cmids
    assert cmid_of(100) in cmids


def test_a_machine_that_names_itself_as_its_previous_one_stays(site: Site) -> None:
    site.ask(1)
    assert site.ask(1, previous_cmid=cmid_of(1)).count == 1
    assert site.store.reports.clients()[0].requests == 2


def test_products_of_one_group_share_their_machines_and_groups_do_not(site: Site) -> None:
    now_s = site.clock.now_s()
    same, other = product(name="cam"), product(group="other", name="erp")
    site.ask_all(range(24))
    batch = [
        arrived(other, CLIENT, cmid_of(1), nonce_of(900), now_s),
        arrived(same, CLIENT, cmid_of(100), nonce_of(901), now_s),
        arrived(other, CLIENT, cmid_of(2), nonce_of(902), now_s),
    ]
    assert [(each.code, each.count) for each in site.decide(batch)] == [
        ("COUNT_INSUFFICIENT", 1),
        (None, 25),
        ("COUNT_INSUFFICIENT", 2),
    ]


def test_a_probe_says_what_an_activation_would_and_writes_nothing(site: Site) -> None:
    site.ask_all(range(23))
    before = site.store.reports.requests()
    assert (site.probe(50).code, site.probe(50).count) == ("COUNT_INSUFFICIENT", 24)
    site.ask(23)
    assert site.probe(50).code is None
    assert site.probe(1).count == 24  # one that is already counted
    assert site.count() == 24
    assert site.store.reports.requests()["total"] == before["total"] + 1


def test_a_batch_that_is_too_large_is_our_own_mistake(site: Site) -> None:
    batch = [site.request(i) for i in range(BATCH_MAX + 1)]
    with pytest.raises(ValueError, match="at most 256"):
        site.store.decide(batch, site.clock.now_s())
    assert site.store.decide([], site.clock.now_s()) == []


def test_a_clock_that_was_set_back_does_not_forget_machines(site: Site) -> None:
    site.ask_all(range(3))
    site.clock.advance(-2 * HOUR_S)
    assert site.count() == 3
    assert site.ask(3).count == 4
