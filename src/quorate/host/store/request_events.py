"""What the event log says of a request: the event of its decision, and the one of a CMID that forks."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from quorate.core.decision import Asked, Decided
from quorate.core.events import CmidForked, RequestHandled
from quorate.core.messages import ActivationRequest
from quorate.errors import BY_CODE, CmidSupersededError

__all__ = ["Arrived", "fork_event", "handled_event"]


class Arrived(msgspec.Struct, frozen=True):
    """One request at the store's door.

    Attributes:
        address: where it came from, for the inventory and the event log.
        verdict: of `core.decision.refuse_unheard`: ready to be counted, or refused without being counted.
        group: the product group where it is known although the request is refused; shown in the event.
    """

    request: ActivationRequest
    address: str
    verdict: Asked | Decided
    group: str = ""


def fork_event(
    arrived: Arrived, group: str, known_machine: str, known_address: str, now_s: int, *, is_clone: bool
) -> CmidForked:
    """A request that shows an exchanged link: who asks, and whose record that is."""
    request = arrived.request
    asking, known = f"{request.machine} ({arrived.address})", f"{known_machine} ({known_address})"
    message = (
        f"{asking} was copied from {known}, or the other way round: both came with one CMID"
        if is_clone
        else f"{asking} came back with an older state, as after a snapshot was restored"
    )
    return CmidForked(
        time_s=now_s,
        code=CmidSupersededError.code if is_clone else None,
        group=group,
        cmid=request.cmid,
        machine=request.machine,
        address=arrived.address,
        known_machine=known_machine,
        known_address=known_address,
        message=message,
    )


def handled_event(arrived: Arrived, decided: Decided, group: str, now_s: int) -> RequestHandled:
    """A request that was decided."""
    request = arrived.request
    return RequestHandled(
        time_s=now_s,
        code=decided.code,
        hresult=0 if decided.code is None else BY_CODE[decided.code].hresult or 0,
        group=group,
        threshold=decided.threshold,
        count=decided.count,
        machine=request.machine,
        cmid=request.cmid,
        client_time_s=request.time_s,
        vm=request.vm,
        status=request.status,
        expires_in_min=request.expires_in_min,
        edition=request.edition,
        address=arrived.address,
        soft_until_s=_soft_until_s(arrived.verdict, decided),
    )


def _soft_until_s(verdict: Asked | Decided, decided: Decided) -> int | UnsetType:
    """As the event tells it: until when the machine renews below the threshold, where it just did."""
    if decided.full_s is None or isinstance(verdict, Decided):
        return UNSET
    soft = verdict.product.policy.thresholds.of(verdict.edition.machine_class).soft
    return UNSET if soft is UNSET else decided.full_s + soft.lasts_s
