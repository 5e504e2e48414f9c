"""`quorate-slmgr` as it is typed, on a machine that is a KMS host, a KMS client, both, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate.__main__ import slmgr as run
from quorate.client.storage.installed import install
from quorate.clock import SystemClock
from quorate.core.policy import DAY_S
from tests.client.parties import Installation, ScriptedHost, scripted
from tests.support.documents import World
from tests.support.hosting import make_host

__all__ = ["Machine", "Said"]


@dataclass(frozen=True)
class Said:
    """How a call ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        [told] = self.rows
        return told

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The objects; a host in this process logs to the same stdout."""
        return [msgspec.json.decode(line) for line in self.out.splitlines() if line.startswith("{")]


@dataclass
class Machine:
    """One machine; its clock is the real one, as commands have no other."""

    folder: Path
    world: World
    type: Callable[..., Said]

    def be_host(self, *, activated: bool = True) -> None:
        make_host(self.folder, self.world, SystemClock(), activated=activated)

    def be_client(self) -> None:
        files = Installation(self.folder.with_name("shipped"), self.world)
        install(self.folder, files.product, files.trust)


@pytest.fixture
def slmgr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    monkeypatch.delenv("QUORATE_ADMIN_TOKEN", raising=False)

    def type_it(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["quorate-slmgr", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            run()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return type_it


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slmgr: Callable[..., Said]) -> Machine:
    folder = tmp_path / "state"
    monkeypatch.setenv("QUORATE_STATE_DIR", str(folder))
    return Machine(folder, World(), slmgr)


@pytest.fixture
def kms() -> Iterator[ScriptedHost]:
    """Another machine's KMS host, of today."""
    world, now_s = World(), SystemClock().now_s()
    with scripted(world, SystemClock()) as host:
        host.certificate = world.certificate_token(issued_s=now_s - DAY_S, expires_s=now_s + 700 * DAY_S)
        yield host
