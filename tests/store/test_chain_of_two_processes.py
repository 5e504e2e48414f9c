"""Two processes write one log at the same time, and one of them is killed: the chain holds."""

from __future__ import annotations

import sys
from pathlib import Path

from quorate.core.events import PublicationFailed
from quorate.core.keys import VerifyKeys
from quorate.host.store.store import Store
from quorate.host.store.verify import verify_log
from tests.store.world import SIGNER, Site
from tests.support.child import Child
from tests.support.source import ROOT

KEYS = VerifyKeys.of([SIGNER.key.public()])


def committing(path: Path, first: int) -> Child:
    """Another process that commits batches, trims and sweeps until it is killed."""
    return Child([sys.executable, "-m", "tests.store.committer", str(path), str(first), "16"], cwd=ROOT)


def test_a_command_writes_between_the_batches_of_a_host_that_is_then_killed(tmp_path: Path) -> None:
    site = Site(tmp_path / "host.sqlite3")
    site.store.close()
    store = Store.open(site.path)
    try:
        for life in range(3):
            with committing(site.path, life * 1_000_000) as process:
                process.line("the last machine of a batch")
                for turn in range(40):
                    store.record(PublicationFailed(time_s=turn, code="X", domain="example.org", message="no"))
                    process.line("the last machine of a batch")
            verdict = verify_log(store.database, SIGNER.host_id, KEYS)
            assert verdict.finding is None
            assert verdict.last is not None
            assert verdict.last >= (life + 1) * 41 * 16, "its batches, and what was recorded here"
        names = store.reports.events(12293, limit=1000)
        assert names, "what was recorded here is in the kept part too"
    finally:
        store.close()
