"""The activation service: one request in, one signed answer out, or the fault that explains why not.

The order of the checks is that of `core.decision`; before them stands only whether this host may speak at all. A host
that is not activated, or whose certificate ended, counts nobody (S1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from quorate import __version__
from quorate.clock import Clock
from quorate.core.decision import Asked, Decided, refuse_unheard
from quorate.core.events import RequestHandled
from quorate.core.messages import (
    PROTOCOL_VERSION,
    ActivationRequest,
    HostDescription,
    ProbeResult,
    decode_request,
    encode,
)
from quorate.core.policy import DAY_S
from quorate.core.publication import PublishedRevocations, PublishedTrust
from quorate.core.trust import clock_skew
from quorate.errors import (
    CmidSupersededError,
    CountInsufficientError,
    HostBusyError,
    ProductNotCoveredError,
    QuorateError,
    RefusedError,
)
from quorate.host.admission import Admission
from quorate.host.config import Limits, Settings
from quorate.host.keyring import Credentials
from quorate.host.speaker import Speaker
from quorate.host.store.store import BATCH_MAX, Arrived, Store
from quorate.host.writer import AnswerWriter, Outcome, Question

__all__ = ["ActivationService"]

PROBERS_MAX = 4  # threads that read for probes; the store has eight readers in all
PROBES_WAITING_MAX = 64
UNANSWERED_EVENT_EVERY_S = 60.0  # a host that does not answer logs who asked, but not everybody: nobody is counted


class ActivationService:
    """Answers requests. All methods but the constructor run on the event loop's thread."""

    def __init__(
        self,
        store: Store,
        writer: AnswerWriter,
        clock: Clock,
        limits: Limits,
        credentials: Credentials,
        settings: Settings,
        admission: Admission | None = None,
    ) -> None:
        self._admission = admission
        self._store = store
        self._writer = writer
        self._clock = clock
        self._limits = limits
        self._log = structlog.get_logger("quorate.host.service")
        self._probers = ThreadPoolExecutor(PROBERS_MAX, thread_name_prefix="quorate-probe")
        self._probes_waiting = 0
        self._unanswered_event_at_s: float | None = None
        self.adopt(credentials, settings)

    def adopt(self, credentials: Credentials, settings: Settings) -> None:
        """Answer with these from now on."""
        self.credentials = credentials
        self.settings = settings
        self._intervals = settings.intervals
        self._speaker: Speaker | None = None
        self._enrolment = credentials.enrolment  # None on most hosts: an answer then costs nothing more
        belief = credentials.belief
        self._trust = encode(PublishedTrust(trust=() if belief is None else belief.chain))
        self._revocations = encode(
            PublishedRevocations(revocations=None if belief is None else belief.revocations_token)
        )

    def close(self) -> None:
        """Let go of the threads; probes under way end first."""
        self._probers.shutdown(wait=True, cancel_futures=True)

    def activate(self, body: bytes, address: str, told: Callable[[Outcome], None]) -> None:
        """Answer an activation request: `told` gets the `Answer`, counted, decided, on disk and signed, or a fault.

        Args:
            address: where it came from, for the inventory.
            told: called once and later, on the loop's thread; not when this raises.

        Raises:
            MalformedRequestError, UnsupportedVersionError: not a request.
            HostNotActivatedError, HostRevokedError, RetiredKeyError, HostCertificateExpiredError,
            HostCertificateNotYetValidError: it may not speak.
            EnrolmentRequiredError, EnrolmentWrongError: it serves enrolled clients, and this is none.
            RateLimitedError: too often, or too many new CMIDs from there.
            HostBusyError, HostStoppingError: not now. The fault that `told` gets may be StoreUnavailableError, or
                InternalFaultError for our own mistake.
        """
        question = self.receive(body, address)
        if self._admission is not None:
            self._admit(self._admission, question)
        self._writer.submit(question, told)

    def activate_all(self, requests: Sequence[tuple[bytes, str]]) -> list[Outcome]:
        """As `activate` for several bodies and addresses that came at one moment, on this thread, without a loop: the
        way in for a world in virtual time (`quorate.sim`). The writer must not have been started.

        Returns:
            For each its `Answer` as bytes, or the fault; at most `BATCH_MAX` of them share one transaction.
        """
        told: list[Outcome | Question] = []
        for body, address in requests:
            try:
                told.append(self.receive(body, address))
            except QuorateError as fault:
                told.append(fault)
        heard = [each for each in told if isinstance(each, Question)]
        outcomes = iter(
            [
                outcome
                for first in range(0, len(heard), BATCH_MAX)
                for outcome in self._writer.outcomes(heard[first : first + BATCH_MAX])
            ]
        )
        return [next(outcomes) if isinstance(each, Question) else each for each in told]

    def receive(self, body: bytes, address: str) -> Question:
        """The request in `body`, ready to be decided; raises as `activate` does before anything is counted."""
        request = decode_request(body)
        now_s = self._clock.now_s()
        try:
            speaker = self._speaker_at(now_s)
            if self._enrolment is not None:
                self._enrolment.check(request, now_s)
        except QuorateError as fault:
            self._note_unanswered(fault, request, address, now_s)
            raise
        verdict = refuse_unheard(request, speaker.covered(request.edition), now_s)
        group = speaker.group_of(request.edition) if isinstance(verdict, Decided) else ""
        return Question(Arrived(request, address, verdict, group), speaker, self._intervals)

    async def probe(self, body: bytes) -> bytes:
        """The `ProbeResult`: what `activate` would say now. Counts nobody, writes nothing.

        Raises:
            As `activate`.
        """
        request = decode_request(body)
        now_s = self._clock.now_s()
        speaker = self._speaker_at(now_s)
        if self._enrolment is not None:
            self._enrolment.check(request, now_s)
        verdict = refuse_unheard(request, speaker.covered(request.edition), now_s)
        if isinstance(verdict, Asked):
            decided = await self._probe_store(verdict, now_s)
        else:
            decided = verdict
        refused = self._refusal(request, verdict, decided, now_s)
        result = ProbeResult(
            would_activate=refused is None,
            code=decided.code,
            message=_foretold(decided) if refused is None else refused.message,
            count=decided.count,
            threshold=decided.threshold,
            host_time_s=now_s,
        )
        return encode(result)

    def describe(self) -> bytes:
        """The `HostDescription`: who this host is. Only its certificate proves anything."""
        credentials, now_s = self.credentials, self._clock.now_s()
        try:
            credentials.in_force(now_s)
            is_activated = True
        except QuorateError:
            is_activated = False
        products = credentials.products
        return encode(
            HostDescription(
                service=products[0].service if products else "_quorate._tcp",
                version=__version__,
                protocol=(PROTOCOL_VERSION,),
                host_id=credentials.host_id,
                activated=is_activated,
                host_certificate=credentials.certificate_token,
                products=tuple(product.product for product in products),
                time_s=now_s,
            )
        )

    def trust(self) -> bytes:
        """Every exchange of the publisher's keys that is known here, for clients to follow."""
        return self._trust

    def revocations(self) -> bytes:
        """The newest revocation list that is known here, for clients to take."""
        return self._revocations

    def _admit(self, admission: Admission, question: Question) -> None:
        arrived = question.arrived
        admission.question(arrived.request.cmid, arrived.address)
        is_crowded, is_refused = admission.is_crowded(arrived.address), isinstance(arrived.verdict, Decided)
        if not is_crowded and not is_refused:
            return
        group = arrived.verdict.product.group if isinstance(arrived.verdict, Asked) else arrived.group
        if self._store.knows(group, arrived.request):
            return
        if is_crowded:
            raise admission.refuse_newcomer()
        admission.refused_unheard(arrived.address)

    def _speaker_at(self, now_s: int) -> Speaker:
        self.credentials.in_force(now_s)
        if self._speaker is None:
            self._speaker = Speaker(self.credentials, now_s)
        return self._speaker

    async def _probe_store(self, asked: Asked, now_s: int) -> Decided:
        if self._probes_waiting >= PROBES_WAITING_MAX:
            raise HostBusyError(waiting=self._probes_waiting, retry_after_s=self._limits.retry_after_s)
        self._probes_waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._probers, self._store.probe, asked, now_s)
        finally:
            self._probes_waiting -= 1

    def _refusal(
        self, request: ActivationRequest, verdict: Asked | Decided, decided: Decided, now_s: int
    ) -> RefusedError | None:
        if decided.code is None:
            return None
        if decided.code == CmidSupersededError.code:
            return CmidSupersededError(cmid=request.cmid)
        if isinstance(verdict, Asked):
            window_days = verdict.product.policy.count_window_s // DAY_S
            return CountInsufficientError(count=decided.count, threshold=decided.threshold, window_days=window_days)
        covered = None if self._speaker is None else self._speaker.covered(request.edition)
        if covered is not None:
            tolerance_s = covered[0].policy.clock_tolerance_s
            return clock_skew(host_s=now_s, client_s=request.time_s, tolerance_s=tolerance_s)
        return ProductNotCoveredError(edition=request.edition)

    def _note_unanswered(self, fault: QuorateError, request: ActivationRequest, address: str, now_s: int) -> None:
        """An event 12290 that says why a client got no answer; one a minute at most."""
        at_s = self._clock.monotonic_s()
        if self._unanswered_event_at_s is not None and at_s - self._unanswered_event_at_s < UNANSWERED_EVENT_EVERY_S:
            return
        self._unanswered_event_at_s = at_s
        self._log.warning("not_answered", code=fault.code, message=fault.message, machine=request.machine)
        self._writer.record(
            RequestHandled(
                time_s=now_s,
                code=fault.code,
                hresult=fault.hresult or 0,
                group="",
                threshold=0,
                count=0,
                machine=request.machine,
                cmid=request.cmid,
                client_time_s=request.time_s,
                vm=request.vm,
                status=request.status,
                expires_in_min=request.expires_in_min,
                edition=request.edition,
                address=address,
            )
        )


def _foretold(decided: Decided) -> str:
    return "would be activated" if decided.full_s is None else "would be renewed, by the soft threshold alone"
