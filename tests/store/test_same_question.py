"""The same nonce again is the same question: its answer was lost, and the machine gets the same decision again."""

from __future__ import annotations

import pytest

from quorate.core.policy import HOUR_S, PROFILES
from tests.store.world import CLIENT, SERVER, Site, arrived
from tests.support.documents import cmid_of, nonce_of


@pytest.fixture
def busy(site: Site) -> Site:
    """A site above both thresholds: 30 clients, 10 servers."""
    site.ask_all(range(30))
    site.ask_all(range(50, 60), SERVER)
    return site


def test_the_same_nonce_gets_the_same_decision_later(busy: Site) -> None:
    first = busy.ask(1, nonce=nonce_of(7000))
    busy.ask_all(range(200, 205))  # the count is another one now
    busy.clock.advance(4 * HOUR_S - 1)
    assert busy.ask(1, nonce=nonce_of(7000)) == first


def test_the_same_nonce_twice_in_one_batch_gets_one_decision(busy: Site) -> None:
    request = busy.request(500, nonce=nonce_of(7000))
    first, between, again = busy.decide([request, busy.request(501), request])
    assert first == again != between
    assert first.code is None


def test_asking_again_still_renews_the_record(busy: Site) -> None:
    busy.ask(1, nonce=nonce_of(7000))
    busy.clock.advance(HOUR_S)
    busy.ask(1, nonce=nonce_of(7000))
    row = next(row for row in busy.store.reports.clients() if row.cmid == cmid_of(1))
    assert (row.last_heard_s, row.requests) == (busy.clock.now_s(), 3)


def test_past_the_clock_tolerance_it_is_decided_anew(busy: Site) -> None:
    busy.ask(1, nonce=nonce_of(7000))
    busy.clock.advance(4 * HOUR_S)
    assert busy.ask(1, nonce=nonce_of(7000)).decided_s == busy.clock.now_s()


def test_a_refusal_is_decided_anew_so_that_the_25th_helps_the_others(site: Site) -> None:
    assert site.ask(0, nonce=nonce_of(7000)).code == "COUNT_INSUFFICIENT"
    site.ask_all(range(1, 25))
    assert site.ask(0, nonce=nonce_of(7000)).code is None


def test_another_question_in_between_is_a_new_one(busy: Site) -> None:
    first = busy.ask(1, nonce=nonce_of(7000))
    busy.clock.advance(60)
    busy.ask(1, nonce=nonce_of(7001))
    assert busy.ask(1, nonce=nonce_of(7000)) != first


def test_a_clients_lease_cannot_be_turned_into_a_servers(site: Site) -> None:
    site.ask_all(range(30))
    assert site.ask(1, CLIENT, nonce=nonce_of(7000)).code is None
    refused = site.ask(1, SERVER, nonce=nonce_of(7000))
    assert (refused.code, refused.count) == ("COUNT_INSUFFICIENT", 1)
    assert site.ask(1, SERVER, nonce=nonce_of(7000)).code == "COUNT_INSUFFICIENT"


def test_another_machines_nonce_is_of_no_use(site: Site) -> None:
    site.ask_all(range(25))
    site.ask(1, nonce=nonce_of(7000))
    site.clock.advance(31 * 24 * HOUR_S)
    assert site.ask(2, nonce=nonce_of(7000)).code == "COUNT_INSUFFICIENT"


def test_a_lease_below_a_raised_threshold_is_not_given_again(combined: Site) -> None:
    combined.ask_all(range(5), SERVER)
    assert combined.ask(1, SERVER, nonce=nonce_of(7000)).code is None
    combined.product = raised = type(combined.product)(
        **{name: getattr(combined.product, name) for name in combined.product.__struct_fields__ if name != "policy"},
        policy=PROFILES["windows-7"],
    )
    now_s = combined.clock.now_s()
    again = arrived(raised, CLIENT, cmid_of(1), nonce_of(7000), now_s)
    assert combined.decide([again])[0].code == "COUNT_INSUFFICIENT"
