"""A host that does nothing but commit, and says so after each batch. It is ended with kill -9 (test_durability)."""

from __future__ import annotations

import sys
from pathlib import Path

from quorate.core.policy import DAY_S
from quorate.host.store.housekeeping import Retention, sweep_step, trim_events_step
from quorate.host.store.store import Store
from tests.store.world import CLIENT, SIGNER, arrived, product
from tests.support.clocks import START_S
from tests.support.documents import cmid_of, nonce_of

BATCHES_MAX = 100_000


def main(path: Path, first: int, size: int) -> None:
    """Machines `first`, `first + 1` and so on, `size` in a batch, until the end comes."""
    store, of = Store.open(path), product()
    for batch in range(BATCHES_MAX):
        numbers = range(first + batch * size, first + (batch + 1) * size)
        store.decide([arrived(of, CLIENT, cmid_of(i), nonce_of(i), START_S) for i in numbers], START_S)
        sys.stdout.write(f"{numbers.stop}\n")
        sys.stdout.flush()
        if batch % 10 == 0:
            sweep_step(store.database, None, START_S, {}, 30 * DAY_S)
            trim_events_step(store.database, START_S, Retention(DAY_S, 500, 2**40), SIGNER)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
