"""What must hold besides the figures: answers are leases that a client accepts, and nothing answered is lost."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.load import Sample
from benchmarks.measure import GeneratorProcess, Load
from benchmarks.premises import Host, Site
from benchmarks.questions import EDITION, cmid_of
from quorate import Client
from quorate.core.lease import Lease
from quorate.core.messages import decode_answer
from quorate.core.trust import Anchor, Question, accept_answer
from quorate.host.store.record import cmid_bytes

__all__ = ["client_status_us", "kill_under_load", "records_of", "verify_samples"]

KILL_AFTER_S = 0.7


def verify_samples(site: Site, samples: Iterable[Sample]) -> int:
    """Every sample through the client's own checks: certificate, signature, nonce, policy. How many there were.

    Raises:
        QuorateError: an answer that a client would not accept.
        RuntimeError: a refusal: then the benchmark does not measure activations.
    """
    anchor = Anchor.load(site.product.read_text("ascii"), site.trust.read_bytes())
    now_s, done = int(time.time()), 0
    for sample in samples:
        answer = decode_answer(sample.body.encode("latin-1"))
        said = accept_answer(answer, Question(cmid_of(sample.number), EDITION, sample.nonce), anchor, now_s)
        if not isinstance(said, Lease):
            raise RuntimeError(f"machine {sample.number} was refused: {said.code}")
        done += 1
    return done


def records_of(host: Host) -> int:
    """Machines in the host's store."""
    connection = sqlite3.connect(f"file:{host.database}?mode=ro", uri=True)
    try:
        count: int = connection.execute("SELECT count(*) FROM cmid_records").fetchone()[0]
    finally:
        connection.close()
    return count


def kill_under_load(host: Host, generator: GeneratorProcess) -> tuple[int, int]:
    """kill -9 in the middle of a load: answers that arrived, and how many of their machines the store does not hold."""
    load = Load("kill", "host", 2.0, 20_000)
    generator.prepare(load.job(host.server, name_answered=True))
    generator.go()
    time.sleep(KILL_AFTER_S)
    host.server.process.kill()
    outcome = generator.outcome()
    stored = _cmids_of(host.database)
    lost = [number for number in outcome.answered_numbers if cmid_bytes(cmid_of(number)) not in stored]
    return len(outcome.answered_numbers), len(lost)


def _cmids_of(database: Path) -> set[bytes]:
    connection = sqlite3.connect(database)  # opening it replays the write-ahead log, as a restarted host would
    try:
        return {row[0] for row in connection.execute("SELECT cmid FROM cmid_records")}
    finally:
        connection.close()


def client_status_us(site: Site, host: Host, *, seconds: float) -> float:
    """Median time of `Client.status()`, in microseconds, of a client that was activated by `host` just before."""
    client = Client(product=site.product, trust=site.trust, state_dir=site.folder / "client")
    client.set_host(f"127.0.0.1:{host.server.port}")
    if not client.activate().usable:
        raise RuntimeError("the client was not activated")
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        client.status()
        spent.append(time.perf_counter() - begin)
    return round(statistics.median(spent) * 1e6, 1)
