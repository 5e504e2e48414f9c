"""The faults are real ones: each does to clients and hosts what it says, and they get over it by themselves."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S
from quorate.errors import FileAccessError
from quorate.sim.chance import Chance
from quorate.sim.clocks import MachineClock
from quorate.sim.disk import MemoryDisk, ProcessDiedError, SharedText
from quorate.sim.scenario import Happening, HostPlan, Kind, Population, Scenario, What, Wire
from quorate.sim.timeline import Phase, Timeline
from tests.simulation.playing import played
from tests.simulation.test_mutants import policy


def seven(*happenings: Happening, wire: Wire = Wire(), days: int = 20, is_quick: bool = True) -> Scenario:  # noqa: B008
    """Seven machines where five are needed; trouble for the first half of the time."""
    return Scenario(
        name="seven",
        title="Seven",
        about="",
        length_s=days * DAY_S,
        hosts=(HostPlan("kms1", "kms1"),),
        populations=(Population("office", Kind.PC, 7),),
        happenings=happenings,
        wire=wire,
        policy=policy(),
        is_quick=is_quick,
        faults_end_s=days * DAY_S // 2,
    )


def test_an_impostor_is_believed_by_nobody() -> None:
    found = played(seven(Happening(0, What.IMPOSTOR, for_s=19 * DAY_S), days=40, is_quick=False))
    recording = found.result.recording
    assert found.result.violations == ()
    assert {"BAD_SIGNATURE", "UNKNOWN_PUBLISHER", "NOT_A_QUORATE_HOST", "HOST_BUSY"} <= set(recording.faults)
    assert recording.statuses[LicenseStatus.LICENSED] == 7


def test_a_lossy_network_costs_time_and_nothing_else() -> None:
    found = played(seven(wire=Wire(loss_permille=400, duplicate_permille=200, delay_max_s=14)))
    assert found.result.violations == ()
    assert found.result.recording.faults["HOST_UNREACHABLE"] > 0
    assert found.result.recording.statuses[LicenseStatus.LICENSED] == 7


def test_a_host_that_dies_in_a_batch_forgets_nothing_that_it_has_said() -> None:
    crashes = [Happening(n * 6 * HOUR_S, What.HOST_CRASH, host="kms1", for_s=HOUR_S) for n in range(1, 30)]
    found = played(seven(*crashes))
    assert found.result.violations == ()
    assert found.result.recording.faults["HOST_UNREACHABLE"] > 0


def test_a_full_disk_of_the_host_is_told_and_gets_well() -> None:
    found = played(seven(Happening(0, What.HOST_DISK_FULL, host="kms1", for_s=DAY_S)))
    assert found.result.violations == ()
    assert found.result.recording.faults["STORE_UNAVAILABLE"] > 7
    assert found.result.recording.statuses[LicenseStatus.LICENSED] == 7


def test_a_host_whose_disk_stays_full_is_asked_less_often_and_not_twice_a_minute() -> None:
    whole = played(seven(Happening(0, What.HOST_DISK_FULL, host="kms1", for_s=8 * DAY_S)))
    assert whole.result.violations == ()
    asked = sorted({each.at_s for each in whole.of("STORE_UNAVAILABLE") if each.who == "office-001"})
    waits = [after - before for before, after in itertools.pairwise(asked)]
    assert MINUTE_S <= waits[0] <= MINUTE_S * 1.05 + 1, (
        "half a minute is what the host asked for, and a minute the least"
    )
    assert 15 * MINUTE_S <= waits[-1] <= 16 * MINUTE_S
    assert len(asked) < 8 * 24 * 4 + 30
    well_s = 8 * DAY_S + 2 * 16 * MINUTE_S  # refused once, as the count has to begin anew; or activated at once
    assert len({each.who for each in whole.of("COUNT_INSUFFICIENT", 0, well_s) + whole.of("ACTIVATED", 0, well_s)}) == 7


def test_a_clock_that_ran_fast_for_weeks_and_is_set_right_may_cost_the_clock_tolerance() -> None:
    """Found by the swarm, seed 2001: the next attempt was due four hours later by the new time, which broke no rule."""
    cut_off = Happening(6 * HOUR_S, What.NETWORK_DOWN, "office", for_s=33 * DAY_S - 6 * HOUR_S)
    scenario = dataclasses.replace(
        seven(cut_off),
        length_s=43 * DAY_S,
        faults_end_s=33 * DAY_S,
        hosts=(HostPlan("kms1", "kms1", activation_interval_min=30),),
        populations=(Population("office", Kind.PC, 7, drift_ppm=5000), Population("others", Kind.PC, 5)),
    )
    found = played(scenario)
    activated = [each.at_s - scenario.start_s for each in found.of("licensed", 33 * DAY_S, 34 * DAY_S)]
    assert max(activated) > 33 * DAY_S + 2 * HOUR_S, "it did cost something"
    assert found.result.violations == ()


def test_processes_that_die_while_they_write_lose_nothing() -> None:
    deaths = [Happening(n * HOUR_S, What.CRASH, machines=2) for n in range(1, 200)]
    found = played(seven(*deaths))
    assert found.result.violations == ()
    assert found.result.recording.statuses[LicenseStatus.LICENSED] == 7


@pytest.mark.parametrize("what", [What.DNS_DARK, What.NETWORK_DOWN, What.TRAVEL])
def test_whoever_finds_no_host_says_so_and_asks_again(what: What) -> None:
    found = played(seven(Happening(4 * DAY_S, what, for_s=2 * DAY_S)))
    assert found.result.violations == ()
    assert sum(found.result.recording.faults.values()) > 7
    assert found.result.recording.statuses[LicenseStatus.LICENSED] == 7


def test_a_database_that_is_lost_fills_again_by_itself() -> None:
    found = played(seven(Happening(3 * DAY_S, What.HOST_LOSES_DATABASE, host="kms1")))
    assert found.result.violations == ()
    counts = [sample.counts["kms1"][0] for sample in found.result.recording.samples]
    assert min(counts[2 * 24 :]) == 0
    assert counts[-1] == 7


def test_a_lease_that_is_under_way_when_the_database_is_lost_was_given_all_the_same() -> None:
    """Found by the swarm, seed 3425: the checkers forgot it with the database."""
    usual = played(seven(wire=Wire(delay_max_s=14), days=1))
    first, start_s = usual.of("ACTIVATED")[0], usual.result.scenario.start_s
    loss = Happening(first.at_s - start_s + 1, What.HOST_LOSES_DATABASE, host="kms1")
    found = played(seven(loss, wire=Wire(delay_max_s=14)))
    believed = next(each for each in found.of("licensed") if each.who == first.who)
    assert first.at_s < start_s + loss.at_s < believed.at_s <= first.at_s + 14, "it was under way"
    assert found.result.violations == ()


def test_the_grain_of_the_world_changes_when_and_not_what() -> None:
    coarse = played(dataclasses.replace(seven(), tick_s=10 * MINUTE_S))
    assert coarse.result.violations == ()
    assert coarse.result.recording.answers == played(seven()).result.recording.answers


# --- the small parts -------------------------------------------------------------------------------------------------


def test_a_stream_of_chance_depends_on_its_names_alone() -> None:
    first, same, other = Chance(1, "machine", 7), Chance(1, "machine", 7), Chance(1, "machine", 8)
    assert [first.token(8) for _ in range(3)] == [same.token(8) for _ in range(3)]
    assert first.token(8) != other.token(8)
    assert sorted(Chance(1).some("abcdef", 3)) == Chance(1).some("abcdef", 3)
    assert all(0 <= Chance(n).uniform(0, 1) < 1 for n in range(100))


def test_appointments_are_kept_in_order_and_on_full_ticks() -> None:
    timeline, kept = Timeline(100, 10), list[tuple[int, str]]()

    def note(name: str) -> None:
        kept.append((timeline.now_s, name))

    timeline.at(111, Phase.LOOK, note, "look")
    timeline.at(115, Phase.WAKE, note, "wake")
    timeline.at(109, Phase.ANSWER, note, "answer")
    timeline.run(200)
    assert kept == [(110, "answer"), (120, "wake"), (120, "look")]


def test_a_clock_drifts_steps_and_is_set_right() -> None:
    timeline = Timeline(1_000_000)
    clock = MachineClock(timeline, drift_ppm=1000)
    timeline.run(1_000_000 + DAY_S)
    assert clock.error_s() == 86
    clock.step(-3600)
    assert clock.error_s() == 86 - 3600
    assert clock.true_s(clock.now_s() + 1001) in (timeline.now_s + 1000, timeline.now_s + 1001)
    clock.set_right()
    assert clock.error_s() == 0


@pytest.mark.parametrize("writes", [0, 1])
def test_who_dies_while_writing_leaves_the_old_record_or_the_new_one(writes: int) -> None:
    disk, left = MemoryDisk(SharedText()), [writes]
    disk.write(b"old")

    def die() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise ProcessDiedError

    disk.on_write = die
    with pytest.raises(ProcessDiedError):
        disk.write(b"new")
    assert disk.read(100) == (b"new" if writes else b"old")


def test_a_shared_text_is_kept_once_and_read_back() -> None:
    shared = SharedText()
    shared.learn("certificate")
    disk = MemoryDisk(shared)
    disk.write(b"before certificate after")
    assert disk.read(100) == b"before certificate after"
    assert disk.copy().read(100) == disk.read(100)
    disk.is_full = True
    with pytest.raises(FileAccessError):
        disk.write(b"more")
