"""The gate of administration: which token is good for what, from where, and what is kept of those that are not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quorate.core.admintoken import Scope, token_text
from quorate.core.events import AdministrationChanged, AdministrationLocked, HostEvent
from quorate.core.policy import DAY_S, HOUR_S
from quorate.errors import (
    LockedOutError,
    MalformedError,
    NotKnownError,
    QuorateError,
    ScopeMissingError,
    TokenDamagedError,
    TokenExistsError,
    TokenLimitError,
    UnauthorizedError,
)
from quorate.host.config import StatePaths
from quorate.host.gate import REFUSALS_DAY_MAX, REFUSALS_MAX, Gate
from quorate.host.lockout import FAILURES_MAX, LOCKED_S, SOURCES_MAX, WINDOW_S, Lockout, source_of
from quorate.host.sessions import SESSION_S, SESSIONS_MAX
from quorate.host.tokens import TOKENS_MAX, AdminTokens
from tests.support.clocks import ManualClock, SeededEntropy

HERE, THERE, ELSEWHERE = "127.0.0.1", "10.0.0.7", "10.0.0.8"
LOCAL_TOKEN = "L" * 43


class House:
    """A state folder with tokens, a gate on it, and what the gate has recorded."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.tokens = AdminTokens(StatePaths(folder))
        self.events: list[HostEvent] = []
        self.gate = Gate(AdminTokens(StatePaths(folder)), LOCAL_TOKEN, self.clock, SeededEntropy(1), self.events.append)

    def token(self, name: str, scope: Scope = Scope.READ, expires_s: int | None = None) -> str:
        text = token_text(name.encode().ljust(32, b"."))
        self.tokens.add(name, scope, text, self.clock.now_s(), expires_s)
        return text

    def refused(self, token: str, address: str = THERE, user: str | None = None) -> AdministrationChanged:
        """The event of a token that is refused; the caller learns nothing of it."""
        with pytest.raises(UnauthorizedError) as caught:
            self.gate.admit(token, address, user)
        assert caught.value.message == "the administration token is missing or wrong"
        event = self.events[-1]
        assert isinstance(event, AdministrationChanged)
        assert (event.action, event.source, event.code) == ("sign-in", address, "UNAUTHORIZED")
        return event


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_named_token_is_good_from_everywhere_and_says_whose_it_is(house: House) -> None:
    read, operate = house.token("bob"), house.token("alice", Scope.OPERATE)
    for address in (HERE, THERE, "2001:db8::7"):
        caller = house.gate.admit(read, address)
        assert (caller.name, caller.scope, caller.source) == ("bob", Scope.READ, address)
    assert house.gate.admit(operate, THERE).scope is Scope.OPERATE
    assert house.events == []


def test_the_machines_own_token_is_good_on_the_machine_only(house: House) -> None:
    for address in (HERE, "127.0.0.2", "::1"):
        assert house.gate.admit(LOCAL_TOKEN, address).scope is Scope.OPERATE
    event = house.refused(LOCAL_TOKEN)
    assert (event.actor, event.message) == ("admin", "the token in admin.token is good on the host itself only")


def test_why_a_token_is_refused_is_for_the_hosts_own_log(house: House) -> None:
    expired = house.token("carol", expires_s=house.clock.now_s() + DAY_S)
    removed = house.token("dave")
    house.tokens.remove("dave", house.clock.now_s())
    assert house.gate.admit(expired, THERE).name == "carol"
    house.clock.advance(DAY_S)
    assert "ended on 2027-01-16" in house.refused(expired).message
    gone = house.refused(removed)
    assert gone.actor == "dave"
    assert "removed on 2027-01-15" in gone.message
    assert house.refused(token_text(b"?" * 32)).message == "there is no such token"
    assert house.refused("x" * 100_000).message == "there is no such token"


def test_a_cut_off_token_is_told_to_who_pasted_it(house: House) -> None:
    token = house.token("bob")
    with pytest.raises(TokenDamagedError, match="cut off, with 50 of 54"):
        house.gate.admit(token[:50], THERE)
    assert [event.code for event in house.events] == ["TOKEN_DAMAGED"]
    for part in (token, token[5:20]):
        assert part not in repr(house.events)


def test_a_user_that_is_named_must_be_the_tokens(house: House) -> None:
    token = house.token("bob")
    for user in ("bob", "admin", "", None):
        assert house.gate.admit(token, THERE, user).name == "bob"
    assert "is not the name of the token" in house.refused(token, user="alice").message


def test_nothing_that_was_sent_is_no_failure(house: House) -> None:
    for _ in range(3 * FAILURES_MAX):
        for nothing in (None, ""):
            with pytest.raises(UnauthorizedError):
                house.gate.admit(nothing, THERE)
    assert house.events == []
    house.gate.admit(house.token("bob"), THERE)


def test_a_token_that_may_only_read_changes_nothing_and_that_is_on_record(house: House) -> None:
    reader = house.gate.admit(house.token("bob"), THERE)
    house.gate.needs(reader, Scope.READ, "GET /api/v1/status")
    with pytest.raises(ScopeMissingError):
        house.gate.needs(reader, Scope.OPERATE, "PATCH /api/v1/settings")
    [event] = house.events
    assert isinstance(event, AdministrationChanged)
    assert (event.actor, event.source, event.code) == ("bob", THERE, "SCOPE_MISSING")
    assert event.message.startswith("PATCH /api/v1/settings: ")
    house.gate.needs(house.gate.admit(house.token("alice", Scope.OPERATE), THERE), Scope.OPERATE, "PATCH")


# --- lock-out --------------------------------------------------------------------------------------------------------


def lock(house: House) -> None:
    for _ in range(FAILURES_MAX):
        with pytest.raises(UnauthorizedError):
            house.gate.admit("wrong", THERE)


def test_too_many_wrong_tokens_lock_their_source_and_no_other(house: House) -> None:
    lock(house)
    [event] = [each for each in house.events if isinstance(each, AdministrationLocked)]
    assert (event.source, event.failures, event.locked_s) == (THERE, FAILURES_MAX, LOCKED_S)
    seen = len(house.events)
    for wrong in ("wrong", LOCAL_TOKEN, house.token("bob")[:40]):
        with pytest.raises(LockedOutError) as caught:
            house.gate.admit(wrong, THERE)
        assert caught.value.values["retry_after_s"] == LOCKED_S
    assert len(house.events) == seen
    house.refused("wrong", ELSEWHERE)
    house.clock.advance(LOCKED_S - 1)
    with pytest.raises(LockedOutError, match="retry in 1 s"):
        house.gate.admit("wrong", THERE)
    house.clock.advance(1)
    house.refused("wrong")


def test_whoever_shares_an_address_with_somebody_who_is_locked_is_let_in(house: House) -> None:
    token = house.token("bob")
    lock(house)
    for _ in range(2):
        assert house.gate.admit(token, THERE).name == "bob"
        with pytest.raises(LockedOutError):  # and does not unlock the other
            house.gate.admit("wrong", THERE)


def test_after_the_lock_counting_begins_anew(house: House) -> None:
    lock(house)
    house.clock.advance(LOCKED_S)
    lock(house)
    assert sum(isinstance(each, AdministrationLocked) for each in house.events) == 2


def test_mistakes_that_lie_apart_or_end_well_lock_nobody(house: House) -> None:
    token = house.token("bob")
    for _ in range(3):
        for _ in range(FAILURES_MAX - 1):
            house.refused("wrong")
        house.clock.advance(WINDOW_S)
    for _ in range(3):
        for _ in range(FAILURES_MAX - 1):
            house.refused("wrong")
        house.gate.admit(token, THERE)


def test_the_machine_itself_is_never_locked(house: House) -> None:
    for _ in range(3 * FAILURES_MAX):
        house.refused("wrong", HERE)
    house.gate.admit(LOCAL_TOKEN, HERE)


def test_an_ipv6_machine_is_its_network_and_a_mapped_address_is_the_ipv4_one() -> None:
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert source_of("::ffff:10.0.0.7") == source_of("10.0.0.7") == "10.0.0.7"
    assert source_of("") == ""


def test_a_storm_of_sources_takes_bounded_memory() -> None:
    lockout = Lockout(ManualClock())
    for number in range(SOURCES_MAX + 500):
        lockout.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(lockout._sources) == SOURCES_MAX


def test_a_storm_of_refusals_writes_bounded_events(house: House) -> None:
    for number in range(2 * REFUSALS_MAX):
        with pytest.raises(QuorateError):
            house.gate.admit("wrong", f"10.1.{number >> 8}.{number & 255}")
    assert len(house.events) == REFUSALS_MAX
    house.clock.advance(60)
    house.refused("wrong", ELSEWHERE)
    assert len(house.events) == REFUSALS_MAX + 1


def test_days_of_refusals_write_bounded_events_too(house: House) -> None:
    """They are administrative events, which are kept for 400 days: who knocks must not fill that room."""
    for number in range(3 * REFUSALS_DAY_MAX):
        house.clock.advance(1)
        with pytest.raises(QuorateError):
            house.gate.admit("wrong", f"10.1.{number >> 8}.{number & 255}")
    assert len(house.events) == REFUSALS_DAY_MAX
    house.clock.advance(DAY_S)
    house.refused("wrong", ELSEWHERE)
    assert len(house.events) == REFUSALS_DAY_MAX + 1


# --- the console's sessions ------------------------------------------------------------------------------------------


def test_a_cookie_stands_for_its_token_as_long_as_that_is_good(house: House) -> None:
    cookie = house.gate.cookie(house.gate.admit(house.token("bob"), THERE))
    found = house.gate.admit_cookie(cookie, THERE)
    assert found is not None
    assert (found.name, found.scope) == ("bob", Scope.READ)
    house.tokens.remove("bob", house.clock.now_s())
    assert house.gate.admit_cookie(cookie, THERE) is None
    text = token_text(b"another of that name".ljust(32))
    house.tokens.add("bob", Scope.OPERATE, text, house.clock.now_s(), None)
    assert house.gate.admit_cookie(cookie, THERE) is None, "it was made of the former one"


def test_a_session_ends(house: House) -> None:
    cookie = house.gate.cookie(house.gate.admit(house.token("bob"), THERE))
    soon = house.gate.cookie(house.gate.admit(house.token("eve", expires_s=house.clock.now_s() + HOUR_S), THERE))
    house.clock.advance(HOUR_S)
    assert house.gate.admit_cookie(soon, THERE) is None
    house.clock.advance(SESSION_S - HOUR_S - 1)
    assert house.gate.admit_cookie(cookie, THERE)
    house.clock.advance(1)
    assert house.gate.admit_cookie(cookie, THERE) is None


def test_the_machines_own_session_stays_on_the_machine(house: House) -> None:
    cookie = house.gate.cookie(house.gate.admit(LOCAL_TOKEN, HERE))
    assert house.gate.admit_cookie(cookie, HERE)
    assert house.gate.admit_cookie(cookie, THERE) is None


def test_a_made_up_cookie_opens_nothing(house: House) -> None:
    token = house.token("bob")
    good = house.gate.cookie(house.gate.admit(token, THERE))
    made_up = [token, "", ".", "admin.0.", "A" * 43, "\u0661" * 43, "\ud800" * 43, good + "0", good[:-1], good.lower()]
    for each in made_up:
        assert house.gate.admit_cookie(each, THERE) is None, each
    assert house.gate.admit_cookie(good, THERE)


def test_a_cookie_that_was_signed_out_is_nobodys_and_the_others_stay(house: House) -> None:
    caller = house.gate.admit(house.token("bob"), THERE)
    stolen, other = house.gate.cookie(caller), house.gate.cookie(caller)
    assert stolen != other
    house.gate.sign_out(stolen)
    house.gate.sign_out("no such thing")
    assert house.gate.admit_cookie(stolen, THERE) is None
    assert house.gate.admit_cookie(other, THERE)


def test_sessions_take_bounded_memory_and_the_oldest_goes(house: House) -> None:
    caller = house.gate.admit(house.token("bob"), THERE)
    cookies = [house.gate.cookie(caller) for _ in range(SESSIONS_MAX + 1)]
    assert house.gate.admit_cookie(cookies[0], THERE) is None
    assert all(house.gate.admit_cookie(each, THERE) for each in cookies[1:])


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_file_holds_hashes_and_is_the_owners(house: House, tmp_path: Path) -> None:
    token = house.token("bob")
    path = tmp_path / "admin.tokens"
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_text()
    assert token not in content
    assert re.search(r'"sha256": "[0-9a-f]{64}"', content)


def test_names_are_unique_and_tokens_are_not_without_end(house: House) -> None:
    house.token("n0")
    with pytest.raises(TokenExistsError):
        house.token("n0")
    for number in range(1, TOKENS_MAX):
        house.token(f"n{number}")
    with pytest.raises(TokenLimitError):
        house.token("one-more")
    with pytest.raises(NotKnownError):
        house.tokens.remove("one-more", 1)
    for number in range(TOKENS_MAX):
        house.tokens.remove(f"n{number}", 1)
    house.token("one-more")
    assert len(house.tokens.book().removed) == TOKENS_MAX


@pytest.mark.parametrize("content", ["", "{}{}", "[]", '{"format": 2}', '{"tokens": [{"name": "x"}]}', "\x00" * 70_000])
def test_a_damaged_file_opens_nothing_and_locks_nobody_out_of_the_machine(
    house: House, tmp_path: Path, content: str
) -> None:
    token = house.token("bob")
    (tmp_path / "admin.tokens").write_text(content)
    with pytest.raises(MalformedError):
        house.tokens.book()
    house.refused(token)
    house.gate.admit(LOCAL_TOKEN, HERE)


def test_a_file_that_others_may_read_is_refused(house: House, tmp_path: Path) -> None:
    token = house.token("bob")
    house.gate.admit(token, THERE)
    (tmp_path / "admin.tokens").chmod(0o644)
    house.refused(token)
