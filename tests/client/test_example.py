"""The example program, run in every status: it always does its work, and says what is to be said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate import Client
from quorate.core.policy import DAY_S
from quorate.publisher.product import parse_source
from tests.client.lived import lives
from tests.client.parties import HERE, PATIENT, Installation, RealWaits, ScriptedHost, closed_port, scripted
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import World
from tests.support.source import ROOT

sys.path.insert(0, str(ROOT / "examples"))
import acmecalc

SUMS = "count 3\nsum   6.5\nmean  2.166666666666666666666666667\n"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def host(clock: ManualClock) -> Iterator[ScriptedHost]:
    with scripted(World(), clock) as host:
        yield host


@pytest.fixture
def here(tmp_path: Path, clock: ManualClock) -> Installation:
    here = Installation(tmp_path, World(), clock)
    here.product.rename(tmp_path / "acme-calc.product")
    (tmp_path / "numbers").write_text("1\n\n2\n3.5\n")
    return here


class Acme:
    """The program with our clock, and a client beside it on the same state."""

    def __init__(self, here: Installation, capsys: pytest.CaptureFixture[str]) -> None:
        self._here = here
        self._capsys = capsys
        self._started: list[Client] = []
        self.client = self._make(here.folder / "acme-calc.product", here.trust)

    def started(self, product: Path, trust: Path) -> Client:
        """What the program calls."""
        self._started.append(self._make(product, trust))
        return self._started[-1]

    def run(self) -> str:
        """What the program says beside its sums, which always come. What it started is ended with it."""
        assert acmecalc.main([str(self._here.folder / "numbers")]) == 0
        while self._started:
            self._started.pop().stop()
        said = self._capsys.readouterr()
        assert said.out == SUMS
        return said.err

    def _make(self, product: Path, trust: Path) -> Client:
        clock = RealWaits(self._here.clock)
        return Client(product, trust, state_dir=self._here.state_dir, clock=clock, machine=HERE, transport=PATIENT)


@pytest.fixture
def acme(here: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Acme:
    acme = Acme(here, capsys)
    monkeypatch.setattr(acmecalc, "Client", acme.started)
    monkeypatch.setattr(acmecalc, "HERE", here.folder)
    return acme


def test_in_every_status_the_program_does_its_work(here: Installation, host: ScriptedHost, acme: Acme) -> None:
    client = acme.client
    assert "30 days of initial grace left" in acme.run()

    host.count = 3
    client.set_host(f"127.0.0.1:{host.port}")
    client.renew_if_due()
    assert "activation count 3 of 25" in acme.run()

    host.count = 25
    client.activate()
    assert acme.run() == ""

    host.count = 3
    here.clock.advance(8 * DAY_S)
    client.renew_if_due()
    assert client.status().code == "COUNT_INSUFFICIENT"
    assert acme.run() == ""  # a refused renewal is nothing to trouble a user with

    client.set_host(f"127.0.0.1:{closed_port()}")
    here.clock.advance(175 * DAY_S)
    client.renew_if_due()
    said = acme.run()
    assert "of additional grace left" in said
    assert "NOT ACTIVATED" not in said

    here.clock.advance(30 * DAY_S)
    said = acme.run()
    assert "NOT ACTIVATED" in said
    assert "What to do" in said

    lives(here, client, 5)  # what a clock has shown for a moment is not believed yet
    here.clock.advance(-100 * DAY_S)
    said = acme.run()  # for a week it may be the later time that was wrong
    assert "clock shows" in said
    assert "usable for" in said
    lives(here, client, 8 * 24)
    assert "not usable" in acme.run()


def test_a_program_without_its_two_files_says_so(
    here: Installation, acme: Acme, capsys: pytest.CaptureFixture[str]
) -> None:
    here.trust.unlink()
    assert acmecalc.main(["numbers"]) == 1
    assert "not installed whole" in capsys.readouterr().err


def test_it_runs_as_the_readme_says(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.product.rename(tmp_path / "acme-calc.product")
    (tmp_path / "acmecalc.py").write_bytes((ROOT / "examples/acmecalc.py").read_bytes())
    done = subprocess.run(
        [sys.executable, tmp_path / "acmecalc.py", "-"],
        input="1\n2\n3.5\n",
        env=os.environ | {"QUORATE_STATE_DIR": str(here.state_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == SUMS
    assert "of initial grace left" in done.stderr
    assert here.record.exists()


def test_its_product_source_can_be_signed() -> None:
    product = parse_source(ROOT / "examples/acme-calc.toml", publisher="Acme Software", issued_s=START_S)
    assert (product.product, product.policy.thresholds.client.minimum) == ("acme-calc", 2)
