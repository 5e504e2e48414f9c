"""What an application may count on: status() touches no network, and the SDK brings few libraries."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.parties import Installation, scripted
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.source import ROOT

OFFLINE = """
import sys
from pathlib import Path
from tests.client.parties import Installation
client = Installation(Path(sys.argv[1])).client()

def guard(event, arguments):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.system", "os.fork"):
        raise RuntimeError(event)

sys.addaudithook(guard)
print(client.status().status.value, client.status().host)
"""

ALLOWED = {"quorate", "cryptography", "joserfc", "msgspec", "urllib3", "dns"}
THEIRS = {"_cffi_backend", "_openssl", "cffi", "pycparser", "idna", "typing_extensions"}  # what those bring along


def run(code: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def test_status_makes_no_network_call(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    with scripted() as host:
        here.client(host).activate()
    assert run(OFFLINE, str(tmp_path)) == f"licensed 127.0.0.1:{host.port}"


def test_the_guard_of_that_test_can_fail(tmp_path: Path) -> None:
    Installation(tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        run(OFFLINE + "client.set_host('127.0.0.1:1')\nprint(client.renew_if_due().code)\nguard('socket.x', ())", "/")


def test_import_quorate_brings_only_the_clients_libraries() -> None:
    code = """
import sys
import quorate
tops = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
rooms = {name for name in sys.modules if name.startswith("quorate.")}
print(" ".join(sorted(tops)))
print(" ".join(sorted(rooms)))
"""
    tops, rooms = (set(line.split()) for line in run(code).splitlines())
    editable = {name for name in tops if name.startswith(("__editable__", "_editable_impl", "_virtualenv"))}
    assert tops - editable - {"__main__", "sitecustomize"} <= ALLOWED | THEIRS
    assert not {name for name in rooms if name.split(".")[1] in ("host", "publisher", "sim", "cli", "ingest")}


def test_the_face_of_the_sdk_is_four_names() -> None:
    assert (
        run("import quorate; print(sorted(quorate.__all__))") == "['Client', 'QuorateError', 'Status', '__version__']"
    )


def microseconds(call: Callable[[], object], times: int) -> float:
    """The median of one call."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2] * 1e6


def test_how_long_a_status_takes(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Reported, not asserted: a busy machine is no bug. See `pytest -rP`."""
    here = Installation(tmp_path, World(), ManualClock())
    with scripted(here.world, here.clock) as host:
        client = here.client(host)
        client.activate()

    def first() -> object:
        return here.client().status()

    figures = {"status_us": microseconds(client.status, 2000), "first_status_us": microseconds(first, 20)}
    for name, value in figures.items():
        record_property(name, round(value, 1))
        print(f"{name}: {value:.1f}")
    assert client.status().status.value == "licensed"
