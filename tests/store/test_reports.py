"""What administrators read: machines in pages, events to follow, counters, totals."""

from __future__ import annotations

import threading
import uuid

import pytest

from quorate.core.events import PublicationFailed, RequestHandled, ServiceFailed, info_text
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S
from quorate.host.store.reports import PAGE_MAX, ClientRow
from tests.store.world import CLIENT, EPHEMERAL, SERVER, Site, arrived, product
from tests.support.documents import cmid_of, nonce_of


def test_a_machine_is_shown_as_it_last_was(site: Site) -> None:
    site.ask_all(range(24))
    site.clock.advance(60)
    site.ask(24, vm=True, status=LicenseStatus.NOTIFICATION)
    row = next(row for row in site.store.reports.clients() if row.cmid == cmid_of(24))
    now_s = site.clock.now_s()
    assert row == ClientRow(
        group="acme",
        cmid=cmid_of(24),
        machine=f"pc-{cmid_of(24)[-4:]}",
        machine_class=CLIENT,
        edition="cad-client",
        status=LicenseStatus.LICENSED,  # once it has the answer; it asked in notification
        vm=True,
        address="192.0.2.7",
        first_heard_s=now_s,
        last_heard_s=now_s,
        requests=1,
        lease_expires_s=now_s + 180 * DAY_S,
    )
    assert site.store.reports.clients(limit=1)[0].lease_expires_s is None  # refused, never activated


def test_pages_hold_every_machine_once(site: Site) -> None:
    other = product(group="other", name="erp")
    site.ask_all(range(25))
    site.decide([arrived(other, CLIENT, cmid_of(i), nonce_of(i), site.clock.now_s()) for i in range(5)])
    seen: list[tuple[str, str]] = []
    after = None
    while page := site.store.reports.clients(limit=7, after=after):
        seen += [row.key for row in page]
        after = page[-1].key
    assert seen == sorted([("acme", cmid_of(i)) for i in range(25)] + [("other", cmid_of(i)) for i in range(5)])


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("quorate.host.store.reports._ROWS_AT_ONCE", 7)
    return 7


def test_the_whole_inventory_is_read_in_small_pages(site: Site, small_pages: int) -> None:
    site.ask_all(range(3 * small_pages + 1))
    assert [row.cmid for row in site.store.reports.iter_clients()] == [cmid_of(i) for i in range(22)]
    assert [row.cmid for row in site.store.reports.iter_clients("pc-0007")] == [cmid_of(7)]


def test_whoever_reads_the_inventory_holds_up_nobody(site: Site, small_pages: int) -> None:
    """Between two rows machines may be heard and removed; each that stays is told once, and no read is left open."""
    site.ask_all(range(20))
    rows = site.store.reports.iter_clients()
    first = next(rows)
    site.ask_all([*range(20), *range(100, 110)])
    assert [first.cmid, *(row.cmid for row in rows)] == [cmid_of(i) for i in (*range(20), *range(100, 110))]


@pytest.mark.parametrize(("after_id", "newest", "expected"), [
    (None, None, range(1, 24)), (20, None, range(21, 24)), (None, 3, range(21, 24)), (None, 100, range(1, 24)),
    (22, 3, range(23, 24)), (5, 10, range(14, 24)), (23, None, range(0)), (None, 14, range(10, 24)),
])  # fmt: skip
def test_events_are_read_in_small_pages(
    site: Site, small_pages: int, after_id: int | None, newest: int | None, expected: range
) -> None:
    site.ask_all(range(23))
    found = site.store.reports.iter_events(after_id=after_id, newest=newest)
    assert [each.id for each in found] == list(expected)


def test_the_newest_events_of_one_id_are_found_among_others(site: Site, small_pages: int) -> None:
    for number in range(10):
        site.store.record(ServiceFailed(time_s=site.clock.now_s(), message=f"port {number}"))
        site.ask_all(range(3))
    found = list(site.store.reports.iter_events(12291, newest=9))
    assert [each.event for each in found] == [each.event for each in site.store.reports.events(12291)][1:]
    assert list(site.store.reports.iter_events(12310)) == []


def test_what_was_heard_when_is_what_the_inventory_says(site: Site) -> None:
    other = product(group="other", name="erp")
    for number in range(25):
        site.ask(number)
        site.clock.advance(1)
    site.decide([arrived(other, CLIENT, cmid_of(i), nonce_of(i), site.clock.now_s()) for i in range(5)])
    seen: list[tuple[str, bytes, int]] = []
    while page := site.store.reports.heard(limit=7, after=seen[-1][:2] if seen else None):
        seen += page
    told = [(row.group, uuid.UUID(row.cmid).bytes, row.last_heard_s) for row in site.store.reports.clients()]
    assert len(told) == 30
    assert seen == told


@pytest.mark.parametrize(
    ("search", "machines"),
    [
        ("PC-0007", [7]),
        ("CAD-SERVER", [50]),
        ("192.0.2.", [*range(10), 50]),
        ("%", []),
        ("_", []),
        (cmid_of(7), [7]),
        (cmid_of(7).upper(), [7]),
        ("no such thing", []),
        ("'; DROP TABLE cmid_records; --", []),
    ],
)
def test_machines_are_found_by_any_part_they_are_known_by(site: Site, search: str, machines: list[int]) -> None:
    site.ask_all(range(10))
    site.ask(50, SERVER)
    assert [row.cmid for row in site.store.reports.clients(search=search)] == [cmid_of(i) for i in machines]


def test_a_machine_is_found_by_the_beginning_of_its_cmid(site: Site) -> None:
    cmid = str(uuid.UUID(int=0xABCDEF01_2345_4789_8ABC_000000000001))
    site.decide([arrived(site.product, CLIENT, cmid, nonce_of(1), site.clock.now_s()), site.request(1)])
    for search in ("a", "abc", "ABCD-EF", "abcdef01-2345-4"):
        assert [row.cmid for row in site.store.reports.clients(search=search) if row.cmid == cmid] == [cmid], search
    assert cmid not in {row.cmid for row in site.store.reports.clients(search="bcdef01")}


@pytest.mark.parametrize("limit", [0, -1, PAGE_MAX + 1])
def test_pages_have_a_bound(site: Site, limit: int) -> None:
    with pytest.raises(ValueError, match="a page has 1 to"):
        site.store.reports.clients(limit=limit)
    with pytest.raises(ValueError, match="a page has 1 to"):
        site.store.reports.events(limit=limit)


def test_every_request_is_an_event_with_its_address_and_count(site: Site) -> None:
    site.ask_all(range(25))
    stored = site.store.reports.events()
    assert [each.id for each in stored] == list(range(1, 26))
    events = [each.event for each in stored]
    assert all(isinstance(event, RequestHandled) for event in events)
    refused, activated = events[0], events[-1]
    assert isinstance(refused, RequestHandled)
    assert isinstance(activated, RequestHandled)
    assert (refused.code, refused.hresult, refused.count, refused.threshold) == (
        "COUNT_INSUFFICIENT",
        0xC004F038,
        1,
        25,
    )
    assert (activated.code, activated.hresult, activated.count) == (None, 0, 25)
    assert (activated.address, activated.group, activated.cmid) == ("192.0.2.7", "acme", cmid_of(24))
    assert info_text(activated).startswith("0x0,25,pc-0018,")


def test_requests_that_are_not_counted_are_events_and_no_machines(site: Site) -> None:
    now_s = site.clock.now_s()
    decided = site.decide([site.request(1, edition="foreign"), site.request(2, time_s=now_s - 4 * 3600 - 1)])
    assert [each.code for each in decided] == ["PRODUCT_NOT_COVERED", "CLOCK_SKEW"]
    assert site.store.reports.clients() == []
    assert [each.event.code for each in site.store.reports.events()] == ["PRODUCT_NOT_COVERED", "CLOCK_SKEW"]
    requests = site.store.reports.requests()
    assert (requests["total"], requests["failed"], requests["initial_grace"]) == (2, 2, 2)


def test_requests_are_counted_by_license_status(site: Site) -> None:
    assert site.store.reports.requests() == dict.fromkeys(
        ["total", "failed", "unlicensed", "initial_grace", "licensed", "additional_grace", "notification"], 0
    )
    site.ask_all(range(25))
    site.ask(1, status=LicenseStatus.LICENSED)
    site.reopen()
    assert site.store.reports.requests() == {
        "total": 26,
        "failed": 0,
        "unlicensed": 0,
        "initial_grace": 25,
        "licensed": 1,
        "additional_grace": 0,
        "notification": 0,
    }


def test_events_can_be_followed_and_chosen_by_id(site: Site) -> None:
    site.ask_all(range(3))
    failed = PublicationFailed(time_s=site.clock.now_s(), code="DNS_SERVER_FAILURE", domain="example.org", message="no")
    site.store.record(failed)
    site.store.record(ServiceFailed(time_s=site.clock.now_s(), message="port taken"))
    reports = site.store.reports
    assert [each.id for each in reports.events(limit=2)] == [4, 5]
    assert [each.id for each in reports.events(after_id=2, limit=2)] == [3, 4]
    assert [each.event for each in reports.events(event_id=12293)] == [failed]
    assert [each.id for each in reports.events(event_id=12290, after_id=1)] == [2, 3]
    assert reports.events(after_id=5) == []


def test_totals_are_exact_per_group_and_class(site: Site) -> None:
    site.ask_all(range(70))
    site.ask_all(range(100, 103), SERVER)
    site.ask(200, EPHEMERAL)
    site.clock.advance(DAY_S)
    site.ask_all(range(10))
    totals = site.store.reports.totals(site.clock.now_s(), 30 * DAY_S)
    assert totals == {("acme", CLIENT): 70, ("acme", SERVER): 3, ("acme", EPHEMERAL): 1}
    assert site.store.reports.totals(site.clock.now_s(), DAY_S) == {("acme", CLIENT): 10}


def test_settings_are_kept_changed_and_cleared(site: Site) -> None:
    site.store.set_setting("port", 1688)
    site.store.set_setting("dns_domains", ["example.org", "ex\u00e4mple.org"])
    site.store.set_setting("port", 1700)
    site.reopen()
    assert site.store.settings() == {"dns_domains": ["example.org", "ex\u00e4mple.org"], "port": 1700}
    site.store.clear_setting("port")
    site.store.clear_setting("never set")
    assert list(site.store.settings()) == ["dns_domains"]
    with pytest.raises(ValueError, match="at most"):
        site.store.set_setting("novel", "x" * 70_000)


def test_a_reader_holds_up_no_writer_and_sees_one_moment(site: Site) -> None:
    site.ask_all(range(3))
    with site.store.database.reading() as reader:
        before = reader.exec_driver_sql("SELECT count(*) FROM cmid_records").scalar()
        decided: list[int] = []
        writer = threading.Thread(target=lambda: decided.append(site.ask(3).count))
        writer.start()
        writer.join(timeout=10)
        assert decided == [4]
        assert reader.exec_driver_sql("SELECT count(*) FROM cmid_records").scalar() == before == 3
    assert site.count() == 4


def test_a_reader_cannot_write(site: Site) -> None:
    with (
        pytest.raises(Exception, match="read-only"),
        site.store.database.reading() as reader,
    ):
        reader.exec_driver_sql("DELETE FROM events")
