"""What administration shows: the shapes that the commands print, the HTTP API serves and the console draws.

`msgspec.to_builtins(view)` is the JSON of it. Shapes only grow: scripts hold on to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from quorate.core.policy import MachineClass
from quorate.host.identity.enrolment import Enrolment
from quorate.host.publication.state import DomainState
from quorate.host.store.lineage import Fork
from quorate.host.store.reports import ClientRow

__all__ = [
    "ClassCount",
    "ClientView",
    "DnsView",
    "EnrolmentView",
    "GroupCount",
    "HostStatus",
    "ProductView",
    "client_view",
]


class _View(msgspec.Struct, frozen=True, kw_only=True):
    pass


class ClassCount(_View, frozen=True, kw_only=True):
    """The activation count of one class: `current` is what an answer would show, at most twice the threshold.

    `soft_minimum`, `soft_lasts_s`: of the publisher's soft threshold; left out without one.
    """

    current: int
    threshold: int
    counted: tuple[MachineClass, ...]
    soft_minimum: int | UnsetType = UNSET
    soft_lasts_s: int | UnsetType = UNSET


class EnrolmentView(_View, frozen=True, kw_only=True):
    """The enrolment secret, without the secret. `required`: whether clients must know it; `previous_until_s`: until
    when the one before is good as well, None where there is none."""

    required: bool
    since_s: int
    previous_until_s: int | None

    @classmethod
    def of(cls, enrolment: Enrolment | None, now_s: int) -> EnrolmentView | None:
        """What is shown of it; None where there never was a secret."""
        if enrolment is None:
            return None
        until_s = enrolment.previous_until_s if enrolment.is_previous_good(now_s) else None
        return cls(required=enrolment.is_required, since_s=enrolment.since_s, previous_until_s=until_s)


class ProductView(_View, frozen=True, kw_only=True):
    """One product file on this host. `covered`: whether the host certificate lets it be served."""

    id: str
    name: str
    group: str
    covered: bool
    editions: tuple[str, ...]


class DnsView(_View, frozen=True, kw_only=True):
    """DNS publication: the last result in each domain, and when a running host tries again."""

    publishing: bool
    domains: tuple[DomainState, ...]
    next_s: int | None


class HostStatus(_View, frozen=True, kw_only=True):
    """What `slmgr /dlv` shows of a KMS host, and more.

    `activated`: clients are answered now; otherwise `code` and `message` say why not. `notice`: what is good now and
    will not stay so, with its hint. `keys_version`, `revocations`: the publisher's keys and its list, as known here.
    `machines`: the exact number of machines heard within the count window, by group and class.
    """

    host_id: str
    version: str
    running: bool
    activated: bool
    code: str | None
    message: str | None
    notice: str | None
    notice_hint: str | None
    customer: str | None
    product_groups: tuple[str, ...]
    certificate_serial: str | None
    certificate_issued_s: int | None
    certificate_expires_s: int | None
    product_key_last_five: str | None
    keys_version: int
    revocations: int
    publisher_url: str | None
    products: tuple[ProductView, ...]
    port: int
    address: str
    admin_port: int
    admin_address: str
    activation_interval_min: int
    renewal_interval_min: int
    dns_publishing: bool
    dns: DnsView
    priority: str
    counts: dict[str, dict[str, ClassCount]]
    machines: dict[str, dict[str, int]]
    requests: dict[str, int]
    state_dir: str
    database_bytes: int
    time_s: int
    enrolment: EnrolmentView | None = None


class ClientView(_View, frozen=True, kw_only=True, rename={"machine_class": "class"}):
    """One machine of the inventory. `flags`: `vm`, `lapsed` (no longer counted, about to be removed), `cloned` and
    `rolled_back` (its CMID came with the link of an older lease), `soft` (renewed below the threshold);
    `other_machine`: the other one, name and address.
    """

    machine: str
    cmid: str
    group: str
    edition: str
    machine_class: MachineClass
    status: str
    first_seen_s: int
    last_seen_s: int
    address: str
    requests: int
    lease_expires_s: int | None
    flags: tuple[str, ...]
    other_machine: str | None


def client_view(row: ClientRow, *, is_lapsed: bool) -> ClientView:
    """A row of the store as people see it."""
    fork = row.fork or Fork()
    named = {
        "vm": row.vm,
        "lapsed": is_lapsed,
        "cloned": fork.cloned_s is not None,
        "rolled_back": fork.rolled_back_s is not None,
        "soft": row.is_soft,
    }
    flags = [name for name, is_set in named.items() if is_set]
    return ClientView(
        machine=row.machine,
        cmid=row.cmid,
        group=row.group,
        edition=row.edition,
        machine_class=row.machine_class,
        status=row.status.value,
        first_seen_s=row.first_heard_s,
        last_seen_s=row.last_heard_s,
        address=row.address,
        requests=row.requests,
        lease_expires_s=row.lease_expires_s,
        flags=tuple(flags),
        other_machine=_other(row, fork) if fork.cloned_s is not None else None,
    )


def _other(row: ClientRow, fork: Fork) -> str:
    pairs = ((fork.machine, fork.address), (fork.known_machine, fork.known_address))
    name, address = next((pair for pair in pairs if pair != (row.machine, row.address)), pairs[0])
    return f"{name} ({address})"


@dataclass(frozen=True)
class GroupCount:
    """The activation count toward one threshold."""

    group: str
    machine_class: str
    current: int
    threshold: int
