"""The publisher's policy: the numbers of the profiles, and that an invalid one can be neither built nor read."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from quorate.core.policy import DAY_S, PROFILES, MachineClass, Policy, Threshold

SERVER, CLIENT, EPHEMERAL = MachineClass.SERVER, MachineClass.CLIENT, MachineClass.EPHEMERAL


def test_s05_the_profile_windows_7_has_the_numbers_of_windows_7() -> None:
    policy = PROFILES["windows-7"]
    assert (policy.thresholds.server.minimum, policy.thresholds.server.counts) == (5, (SERVER,))
    assert (policy.thresholds.client.minimum, policy.thresholds.client.counts) == (25, (SERVER, CLIENT))
    assert policy.activation_validity_s == 180 * DAY_S
    assert policy.count_window_s == policy.initial_grace_s == policy.additional_grace_s == 30 * DAY_S
    assert policy.clock_tolerance_s == 4 * 3600
    assert policy.rearm_limit == 3
    assert (policy.interval_min_s, policy.interval_max_s) == (15 * 60, 30 * DAY_S)


def test_the_profile_combined_differs_in_the_counted_classes_only() -> None:
    combined = PROFILES["combined"]
    assert {combined.thresholds.of(each).counts for each in MachineClass} == {(SERVER, CLIENT)}
    assert [combined.thresholds.of(each).minimum for each in (SERVER, CLIENT)] == [5, 25]
    same = msgspec.structs.replace(combined, profile="windows-7", thresholds=PROFILES["windows-7"].thresholds)
    assert same == PROFILES["windows-7"]


@pytest.mark.parametrize("name", list(PROFILES))
def test_a_profile_survives_being_written_down_and_knows_its_name(name: str) -> None:
    policy = PROFILES[name]
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
    assert policy.profile == name


def test_each_class_has_its_validity() -> None:
    policy = PROFILES["windows-7"]
    assert [policy.validity_s(each) for each in (SERVER, CLIENT, EPHEMERAL)] == [180 * DAY_S, 180 * DAY_S, DAY_S]


def test_the_outermost_numbers_can_be_built_and_read() -> None:
    thresholds = PROFILES["windows-7"].thresholds
    for minimum in (1, 10_000):
        edge = msgspec.structs.replace(thresholds, client=Threshold(minimum, (CLIENT,)))
        for grace_s in (0, 100 * 366 * DAY_S):
            for rearms in (0, 1000):
                policy = Policy(
                    thresholds=edge,
                    initial_grace_s=grace_s,
                    rearm_limit=rearms,
                    activation_validity_s=3600,
                    count_window_s=3600,
                    interval_min_s=60,
                    interval_max_s=60,
                )
                assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy


BROKEN: dict[str, Callable[[], object]] = {
    "a threshold of nobody": lambda: Threshold(0, (CLIENT,)),
    "a negative threshold": lambda: Threshold(-1, (CLIENT,)),
    "a threshold beyond what a decision may read": lambda: Threshold(10_001, (CLIENT,)),
    "a threshold that counts no class": lambda: Threshold(1, ()),
    "ephemeral machines counted": lambda: Threshold(1, (CLIENT, EPHEMERAL)),
    "a class counted twice": lambda: Threshold(1, (CLIENT, CLIENT)),
    "an activation of no time": lambda: Policy(activation_validity_s=0),
    "an ephemeral activation of no time": lambda: Policy(ephemeral_validity_s=3599),
    "an activation for ever": lambda: Policy(activation_validity_s=10**12),
    "a count window of no time": lambda: Policy(count_window_s=0),
    "a negative grace": lambda: Policy(initial_grace_s=-1),
    "a negative tolerance": lambda: Policy(clock_tolerance_s=-1),
    "negative rearms": lambda: Policy(rearm_limit=-1),
    "intervals of seconds": lambda: Policy(interval_min_s=59),
    "bounds the wrong way round": lambda: Policy(interval_min_s=7200, interval_max_s=3600),
    "intervals beyond 30 days": lambda: Policy(interval_max_s=30 * DAY_S + 1),
}


@pytest.mark.parametrize("broken", list(BROKEN.values()), ids=list(BROKEN))
def test_an_invalid_policy_cannot_be_built(broken: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"threshold|ephemeral|class|activation|window|seconds|rearm|intervals"):
        broken()


@pytest.mark.parametrize(
    ("sound", "broken"),
    [
        (b'"minimum":25', b'"minimum":0'),
        (b'"minimum":25', b'"minimum":25.0'),
        (b'"minimum":25', b'"minimum":true'),
        (b'"minimum":25', b'"minimum":10001'),
        (b'"counts":["server"]', b'"counts":[]'),
        (b'"counts":["server"]', b'"counts":["ephemeral"]'),
        (b'"counts":["server"]', b'"counts":["server","server"]'),
        (b'"counts":["server"]', b'"counts":["printer"]'),
        (b'"interval_min_s":900', b'"interval_min_s":3000000'),
        (b'"rearm_limit":3', b'"rearm_limit":1001'),
        (b'"rearm_limit":3', b'"rearm_limit":3,"extra":1'),
        (b'"clock_tolerance_s":14400', b'"clock_tolerance_s":-1'),
        (b'"profile":"windows-7"', b'"profile":"Windows 7\\n"'),
    ],
)
def test_an_invalid_policy_cannot_be_read(sound: bytes, broken: bytes) -> None:
    written = msgspec.json.encode(PROFILES["windows-7"])
    assert sound in written
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(written.replace(sound, broken), type=Policy)
