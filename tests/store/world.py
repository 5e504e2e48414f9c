"""Machines that ask a store: products, requests, and a host reduced to its records and a clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from quorate.core.checkpoint import CheckpointSigner
from quorate.core.decision import Asked, Decided, refuse_unheard
from quorate.core.documents import Edition, ProductFile
from quorate.core.ids import b64url
from quorate.core.keys import SigningKey
from quorate.core.messages import ActivationRequest, LicenseStatus
from quorate.core.policy import PROFILES, MachineClass, Policy
from quorate.core.proof import commitment, question_key
from quorate.host.store.store import BATCH_MAX, Arrived, Store
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import cmid_of, nonce_of

__all__ = ["CLIENT", "EPHEMERAL", "SERVER", "SIGNER", "Site", "arrived", "commit_of", "key_of", "product"]

SIGNER = CheckpointSigner("5a3c2f6e-0d1b-4c8a-9e7f-112233445566", SigningKey.from_seed(bytes(range(32))))
SERVER, CLIENT, EPHEMERAL = MachineClass.SERVER, MachineClass.CLIENT, MachineClass.EPHEMERAL


def product(policy: Policy = PROFILES["windows-7"], group: str = "acme", name: str = "cad") -> ProductFile:
    """A product with one edition of each class: `cad-server`, `cad-client`, `cad-ephemeral`."""
    editions = tuple(Edition(id=f"{name}-{each.value}", name=each.value, machine_class=each) for each in MachineClass)
    return ProductFile(
        publisher="Acme", issued_s=START_S, product=name, name=name, group=group, editions=editions, policy=policy
    )


def _key(machine: int, nonce: int | str) -> bytes:
    secret = machine.to_bytes(32, "big")
    return question_key(secret, cmid_of(machine), nonce_of(nonce) if isinstance(nonce, int) else nonce)


def key_of(machine: int, nonce: int | str) -> str:
    """The key of that question of machine number `machine`, as a later question shows it."""
    return b64url(_key(machine, nonce))


def commit_of(machine: int, nonce: int | str) -> str:
    """The commit of that question."""
    return b64url(commitment(_key(machine, nonce)))


def arrived(
    of: ProductFile,
    machine_class: MachineClass,
    cmid: str,
    nonce: str,
    now_s: int,
    previous_cmid: str | None = None,
    **more: Any,
) -> Arrived:
    """A request as the service hands it over; `more` are other fields of the request."""
    request = ActivationRequest(
        v=1,
        edition=more.pop("edition", f"{of.product}-{machine_class.value}"),
        cmid=cmid,
        machine=f"pc-{cmid[-4:]}",
        status=more.pop("status", LicenseStatus.INITIAL_GRACE),
        time_s=more.pop("time_s", now_s),
        nonce=nonce,
        previous_cmid=previous_cmid,
        **more,
    )
    edition = of.edition(request.edition)
    verdict = refuse_unheard(request, None if edition is None else (of, edition), now_s)
    return Arrived(request, "192.0.2.7", verdict, of.group)


class Site:
    """A store, a product and a clock: machines are numbers, and every question has a nonce of its own."""

    def __init__(self, path: Path, policy: Policy = PROFILES["windows-7"]) -> None:
        self.path = path
        self.clock = ManualClock()
        self.product = product(policy)
        self.store = Store.create(path)
        self._questions = 0

    def request(self, machine: int, machine_class: MachineClass = CLIENT, **more: Any) -> Arrived:
        """One question of machine number `machine`."""
        self._questions += 1
        nonce = more.pop("nonce", nonce_of(self._questions))
        return arrived(self.product, machine_class, cmid_of(machine), nonce, self.clock.now_s(), **more)

    def ask(self, machine: int, machine_class: MachineClass = CLIENT, **more: Any) -> Decided:
        """Machine number `machine` asks, alone."""
        return self.decide([self.request(machine, machine_class, **more)])[0]

    def ask_all(self, machines: Iterable[int], machine_class: MachineClass = CLIENT) -> list[Decided]:
        """These machines ask one after another, in one batch."""
        return self.decide([self.request(machine, machine_class) for machine in machines])

    def decide(self, batch: Sequence[Arrived]) -> list[Decided]:
        """As many batches as needed, now."""
        now_s = self.clock.now_s()
        parts = [batch[i : i + BATCH_MAX] for i in range(0, len(batch), BATCH_MAX)]
        return [decided for part in parts for decided in self.store.decide(part, now_s)]

    def probe(self, machine: int, machine_class: MachineClass = CLIENT) -> Decided:
        """Would this machine be activated?"""
        verdict = self.request(machine, machine_class).verdict
        assert isinstance(verdict, Asked)
        return self.store.probe(verdict, self.clock.now_s())

    def count(self, machine_class: MachineClass = CLIENT) -> int:
        """The count toward the threshold of this class."""
        policy = self.product.policy
        threshold = policy.thresholds.of(machine_class)
        return self.store.count(self.product.group, threshold, self.clock.now_s(), policy.count_window_s)

    def reopen(self) -> None:
        """The host stops and starts again."""
        self.store.close()
        self.store = Store.open(self.path)
