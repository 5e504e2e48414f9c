"""A machine whose doctor is asked and whose client tries: both must name the same cause."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate import Client, QuorateError, Status
from quorate.client.checkup import ClientCheckup
from quorate.client.config import Settings
from quorate.client.discovery.network import Network
from quorate.client.identity import Machine
from quorate.client.installed import Installed, install
from quorate.core.checkup import Check, Level, cause_of
from quorate.core.messages import HostDescription, encode
from quorate.core.policy import PROFILES, MachineClass, Policy, Threshold, Thresholds
from tests.client.parties import HERE, PATIENT, Installation, ScriptedHost, scripted
from tests.support.clocks import SeededEntropy
from tests.support.documents import HOST_ID, World
from tests.support.hosting import Hosted, hosting

__all__ = ["LONE", "Patient", "describe", "kms", "levels", "one", "same_cause", "scripted_kms"]

_ONE = Threshold(1, (MachineClass.SERVER, MachineClass.CLIENT))
LONE: Policy = msgspec.structs.replace(PROFILES["windows-7"], thresholds=Thresholds(_ONE, _ONE, _ONE))
"""A policy that one machine satisfies: for causes that lie elsewhere than in the count."""


@dataclass
class Patient:
    """One machine with the product on it."""

    here: Installation
    network: Network = field(default_factory=Network)
    machine: Machine = HERE

    def __post_init__(self) -> None:
        self.installed: Installed = install(self.here.state_dir, self.here.product, self.here.trust)

    def client(self, host: object = None, **more: Any) -> Client:
        return self.here.client(host, network=self.network, machine=self.machine, **more)

    def status(self) -> Status:
        return self.client(seed=2).status()

    def failure(self) -> QuorateError:
        """What the client's own attempt ends with."""
        with pytest.raises(QuorateError) as caught:
            self.client(seed=3).activate()
        return caught.value

    def checks(self) -> list[Check]:
        """What doctor sees."""
        return ClientCheckup(
            self.installed,
            Settings.from_environment({}),
            self.here.clock,
            SeededEntropy(4),
            machine=self.machine,
            transport=PATIENT,
            network=self.network,
        ).run()

    def cause(self) -> Check:
        """What doctor names."""
        cause = cause_of(self.checks())
        assert cause is not None, "doctor finds nothing wrong"
        assert cause.fix, "doctor says nothing about what mends it"
        return cause


def levels(checks: Sequence[Check]) -> dict[str, Level]:
    """The worst level of each step."""
    rank = [Level.SKIP, Level.OK, Level.WARN, Level.FAIL]
    worst: dict[str, Level] = {}
    for check in checks:
        known = worst.get(check.step, Level.SKIP)
        worst[check.step] = max(known, check.level, key=rank.index)
    return worst


def one(checks: Sequence[Check], step: str) -> Check:
    """The only check of a step."""
    [found] = [check for check in checks if check.step == step]
    return found


def describe(world: World, time_s: int, **changes: Any) -> bytes:
    """What a host says of itself."""
    claims: dict[str, Any] = {
        "service": "_quorate._tcp",
        "version": "1",
        "protocol": (1,),
        "host_id": HOST_ID,
        "activated": True,
        "host_certificate": world.certificate_token(),
        "products": ("acme-cad",),
        "time_s": time_s,
    }
    return encode(HostDescription(**(claims | changes)))


@contextlib.contextmanager
def kms(tmp_path: Path, patient: Patient, world: World | None = None, **more: object) -> Iterator[Hosted]:
    """A real host on the patient's clock, set as its host."""
    clock = patient.here.clock
    with hosting(tmp_path / "kms", world or patient.here.world, clock, **more) as hosted:  # type: ignore[arg-type]
        patient.client(hosted)
        yield hosted


@contextlib.contextmanager
def scripted_kms(patient: Patient, said: bytes | None = None) -> Iterator[ScriptedHost]:
    with scripted(patient.here.world, patient.here.clock) as host:
        host.describes = said or describe(patient.here.world, patient.here.clock.now_s())
        patient.client(host)
        yield host


def same_cause(patient: Patient, code: str, step: str) -> QuorateError:
    """Doctor first, as it must change nothing; then the client's own attempt, and its status after it."""
    before = patient.status()
    cause = patient.cause()
    assert (cause.code, cause.step, cause.level) == (code, step, Level.FAIL)
    assert patient.status() == before
    error = patient.failure()
    assert error.code == code
    assert patient.status().code == code
    assert patient.cause().code == code  # and still, with the attempt in the record
    return error
