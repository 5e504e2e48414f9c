"""An impostor in the network: it answers questions that were meant for a host, with all it can forge or overhear.

It holds no key that a publisher has certified. Whatever it says, no client may come to believe a lease by it.
"""

from __future__ import annotations

from collections import deque

import msgspec

from quorate.core.documents import HOST_CERTIFICATE, SigningKey, read, sign
from quorate.core.ids import link_of
from quorate.core.lease import LEASE, Intervals, Lease, renewal_window
from quorate.core.messages import ActivationRequest, Answer, Problem, decode_answer, encode
from quorate.core.policy import DAY_S
from quorate.core.trust import Anchor
from quorate.errors import CountInsufficientError, HostBusyError, HostNotActivatedError
from quorate.sim.chance import Chance

__all__ = ["BadHost"]

OVERHEARD_MAX = 64
LIES = 7

Reply = tuple[int, dict[str, str], bytes]


class BadHost:
    """Says something else each time, all of it from its own stream of chance."""

    def __init__(self, anchor: Anchor, chance: Chance) -> None:
        self._anchor = anchor
        self._chance = chance
        self._key = SigningKey.from_seed(chance.token(32))
        self._overheard: deque[bytes] = deque(maxlen=OVERHEARD_MAX)

    def overhear(self, body: bytes) -> None:
        """A real answer goes by."""
        self._overheard.append(body)

    def reply(self, request: ActivationRequest, now_s: int) -> Reply:
        """A lie: status, headers, body."""
        lie = self._chance.below(LIES)
        if lie == 0 or not self._overheard:
            return 200, {}, self._chance.token(64)
        real = self._chance.pick(self._overheard)
        if lie == 1:  # another machine's answer, or an old one of this machine
            return 200, {}, real
        answer = decode_answer(real)
        if lie == 2:  # a lease signed by a key that no certificate names
            return 200, {}, encode(self._answer(answer, sign(LEASE, self._lease(request, now_s, answer), self._key)))
        if lie == 3:  # the same, with a certificate of its own making
            return 200, {}, encode(self._with_own_certificate(request, now_s, answer))
        if lie == 4:  # a real answer, its claims exchanged
            head, _, signature = answer.answer.split(".")
            payload = sign(LEASE, self._lease(request, now_s, answer), self._key).split(".")[1]
            return 200, {}, encode(self._answer(answer, f"{head}.{payload}.{signature}"))
        if lie == 5:  # silence for as long as possible
            return self._problem(HostBusyError(waiting=1, retry_after_s=2**31 - 1))
        refused = HostNotActivatedError() if self._chance.below(2) else CountInsufficientError(count=0, threshold=25)
        return self._problem(refused)

    def _lease(self, request: ActivationRequest, now_s: int, answer: Answer) -> Lease:
        certificate = read(HOST_CERTIFICATE, answer.host_certificate, self._anchor.keys)
        edition = self._anchor.edition(request.edition)
        policy = self._anchor.product.policy
        validity_s = policy.validity_s(edition.machine_class)
        threshold = policy.thresholds.of(edition.machine_class).minimum
        renew_from_s, renew_until_s = renewal_window(now_s, Intervals(), 0, validity_s)
        return Lease(
            host_id=certificate.host_id,
            issued_s=now_s,
            expires_s=now_s + validity_s,
            cmid=request.cmid,
            edition=request.edition,
            nonce=request.nonce,
            link=link_of(request.cmid, request.nonce),
            count=threshold,
            threshold=threshold,
            intervals=Intervals(),
            renew_from_s=renew_from_s,
            renew_until_s=renew_until_s,
        )

    def _with_own_certificate(self, request: ActivationRequest, now_s: int, answer: Answer) -> Answer:
        real = read(HOST_CERTIFICATE, answer.host_certificate, self._anchor.keys)
        own = type(real).grant(
            jwk=self._key.public(),
            publisher=real.publisher,
            issued_s=now_s - DAY_S,
            expires_s=now_s + DAY_S,
            host_id=real.host_id,
            serial=real.serial,
            request_id=real.request_id,
            customer=real.customer,
            groups=real.groups,
            key_id=real.key_id,
        )
        token = sign(LEASE, self._lease(request, now_s, answer), self._key)
        certificate = sign(HOST_CERTIFICATE, own, self._key)
        return Answer(answer=token, host_certificate=certificate, revocations=0)

    def _answer(self, answer: Answer, token: str) -> Answer:
        return msgspec.structs.replace(answer, answer=token)

    def _problem(self, error: HostBusyError | HostNotActivatedError | CountInsufficientError) -> Reply:
        problem = Problem.of(error)
        return error.http_status, {"content-type": "application/problem+json"}, encode(problem)
