"""The two patients: one whose product has the usual thresholds, one whose product needs a single machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.parties import Installation
from tests.doctor.patient import LONE, Patient
from tests.support.clocks import ManualClock
from tests.support.documents import World


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(Installation(tmp_path / "pc", World(), ManualClock()))


@pytest.fixture
def lone(tmp_path: Path) -> Patient:
    """A patient whose product needs one machine only."""
    return Patient(Installation(tmp_path / "pc", World(policy=LONE), ManualClock()))
