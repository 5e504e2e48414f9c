"""The question of an attempt, from what this machine knows; doctor's probe asks the same one with another nonce."""

from __future__ import annotations

from quorate.client.attempt.enrolment import ClientEnrolment
from quorate.client.identity import Machine
from quorate.client.storage.status import Standing
from quorate.core.messages import PROTOCOL_VERSION, ActivationRequest
from quorate.core.policy import Policy

__all__ = ["request_of", "with_proof"]


def request_of(standing: Standing, machine: Machine, policy: Policy, nonce: str, now_s: int) -> ActivationRequest:
    """The request of a machine that stands so, without a proof of enrolment."""
    state = standing.state
    status, expires_in_min = standing.told_at(now_s, policy)
    return ActivationRequest(
        v=PROTOCOL_VERSION,
        edition=state.edition,
        cmid=state.cmid,
        machine=machine.name,
        status=status,
        time_s=now_s,
        nonce=nonce,
        expires_in_min=expires_in_min,
        vm=machine.is_virtual,
        previous_cmid=state.previous_cmid,
        link=standing.link,
    )


def with_proof(request: ActivationRequest, enrolment: ClientEnrolment | None) -> ActivationRequest:
    """The request, with the proof of enrolment where this machine was given a secret.

    Raises:
        FileAccessError, FilePermissionsError, EnrolmentSecretInvalidError: the secret cannot be used.
    """
    return request if enrolment is None else enrolment.signed(request)
