"""One attempt, from the question to the record: ask, verify, step the life, write it down, log it.

The nonce is written before it is sent and kept until a verified answer of any kind arrives, so that a lost reply, or a
process that dies meanwhile, asks the same question again and no lineage breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import msgspec
from msgspec import UNSET

from quorate.client.asking import request_of, with_proof
from quorate.client.discovery.network import Network
from quorate.client.discovery.search import Finder, Search
from quorate.client.discovery.target import Found, Target
from quorate.client.enrolment import ClientEnrolment
from quorate.client.eventlog import ClientEventLog
from quorate.client.identity import Machine
from quorate.client.keeper import Keeper
from quorate.client.learning import Learner, Where
from quorate.client.proofkey import ProofKey
from quorate.client.settling import settled
from quorate.client.standing import Standing
from quorate.client.transport import Transport
from quorate.clock import Clock, Entropy
from quorate.core.lease import Lease, Refusal
from quorate.core.messages import ActivationRequest, Answer, LicenseStatus
from quorate.core.trust import Anchor, Question, accept_answer, refusal_error
from quorate.errors import (
    CmidSupersededError,
    CountInsufficientError,
    FileAccessError,
    MalformedRequestError,
    QuorateError,
    RefusedError,
    UninstalledError,
)

__all__ = ["Accept", "Ask", "Attempt", "Driver"]

ASKS_MAX = 3  # of one host in one attempt: as it is, by its right name, without a proof
PATIENCE_S = 70.0  # for another process's attempt, which lasts about a minute at the most (`SEARCH_S` and one host)


Accept = Callable[[Answer, Question, Anchor, int], Lease | Refusal]


class Ask(msgspec.Struct, frozen=True):
    """One question to one host, at `now_s` by this machine's clock.

    `addresses`: where it is; None: the operating system looks its name up.
    """

    target: Target
    request: ActivationRequest
    now_s: int
    addresses: tuple[str, ...] | None = None


Attempt = Generator[Ask, Answer, QuorateError | None]
"""An attempt in steps: each `Ask` it gives wants the host's answer sent, or the transport's error thrown, into it. It
returns why it did not go well, or None. Closed in the middle, it is a process that died there."""


class _Said(msgspec.Struct, frozen=True):
    """A verified answer."""

    found: Found
    answer: Answer
    said: Lease | Refusal
    refusal: RefusedError | None

    @property
    def is_heard(self) -> bool:
        """Whether that host knows this machine; then no other is asked, for reasons in docs/adr/0009."""
        return self.refusal is None or isinstance(self.refusal, CountInsufficientError | CmidSupersededError)


_Asking = Generator[Ask, Answer, tuple[Standing, QuorateError | None]]
_AskingOne = Generator[Ask, Answer, _Said]


class Driver:
    """Makes the attempts of one installation.

    Args:
        accept: how an answer is verified; a simulation of a large fleet hands in a cheaper proof of the same, and then
            nothing is learnt of the publisher.
        network: how hosts are looked for; default: as this machine does.
        enrolment: what is proved to a host that serves enrolled clients only; default: nothing.
    """

    __slots__ = (
        *("_accept", "_anchor", "_clock", "_enrolment", "_entropy", "_events", "_finder"),
        *("_keeper", "_learner", "_machine", "_transport"),
    )

    def __init__(
        self,
        keeper: Keeper,
        anchor: Anchor,
        transport: Transport,
        machine: Machine,
        events: ClientEventLog,
        clock: Clock,
        entropy: Entropy,
        accept: Accept | None = None,
        network: Network | None = None,
        enrolment: ClientEnrolment | None = None,
    ) -> None:
        self._enrolment = enrolment
        self._keeper = keeper
        self._anchor = anchor
        self._transport = transport
        self._machine = machine
        self._events = events
        self._clock = clock
        self._entropy = entropy
        self._accept = accept or accept_answer
        news = keeper.news
        self._learner = Learner(news, transport) if accept is None and news is not None else None
        self._finder = Finder(anchor.product.service, network or Network(), clock, entropy)

    def adopt(self, network: Network) -> None:
        """Look for hosts so, from the next attempt on."""
        self._finder = Finder(self._anchor.product.service, network, self._clock, self._entropy)

    def attempt_now(self) -> QuorateError | None:
        """Ask, whenever it is due. Why it did not go well, or None.

        While another process asks, its result is waited for and taken as this one's. Where nothing can be written the
        result is `FileAccessError`: a machine that is licensed asks nobody then, as the lease on its disk would be
        superseded by one that is lost; another one asks all the same, and uses in memory the lease it is given.

        Raises:
            StateInUseError: another process holds the record for longer than an attempt takes.
        """
        return self._run(self.steps_now())

    def steps_now(self) -> Attempt:
        """`attempt_now`, step by step, for whoever carries the questions himself; raises the same."""
        before = self._keeper.standing(self._clock.now_s()).state.attempts
        try:
            with self._keeper.exclusive(PATIENCE_S) as waited:
                standing = self._keeper.standing(self._clock.now_s(), is_locked=True)
                if waited and standing.state.attempts != before:
                    outcome = standing.state.outcome
                    return None if outcome is None else outcome.error()
                return (yield from self._attempt(standing, unwritable=None))
        except FileAccessError as fault:
            standing = self._keeper.standing(self._clock.now_s())
            return (yield from self._attempt(standing, unwritable=fault))

    def attempt_if_due(self) -> QuorateError | None:
        """Ask when it is time to. None when it was not, or when it went well.

        Another process that asks at this moment does it for us. Where nothing can be written, nobody is asked: the
        record belongs to another user's agent, and asking with its CMID would break its lineage.

        Raises:
            StateInUseError, FileAccessError: as said; nothing was asked.
        """
        return self._run(self.steps_if_due())

    def steps_if_due(self) -> Attempt:
        """`attempt_if_due`, step by step, for whoever carries the questions himself; raises the same."""
        policy = self._anchor.product.policy
        now_s = self._clock.now_s()
        if self._keeper.is_unsaved:
            self._keeper.save(now_s)
        seen = self._keeper.standing(now_s)
        if seen.next_attempt_s(now_s, policy) > now_s:
            return None
        with self._keeper.exclusive(0):
            standing = self._keeper.standing(now_s, is_locked=True)
            if standing.state is not seen.state and standing.next_attempt_s(now_s, policy) > now_s:
                return None  # another process was faster
            return (yield from self._attempt(standing, unwritable=None, may_postpone=True))

    def _run(self, attempt: Attempt) -> QuorateError | None:
        """Carry the questions over the network, until the attempt is over."""
        try:
            ask = next(attempt)
            while True:  # bounded: an attempt asks `TARGETS_MAX` hosts at most
                try:
                    answer = self._transport.activate(ask.target, ask.request, ask.now_s, ask.addresses)
                except QuorateError as error:
                    ask = attempt.throw(error)
                else:
                    ask = attempt.send(answer)
        except StopIteration as end:
            outcome: QuorateError | None = end.value
            return outcome

    def _attempt(
        self, standing: Standing, *, unwritable: FileAccessError | None, may_postpone: bool = False
    ) -> Attempt:
        now_s = self._clock.now_s()
        if standing.state.is_uninstalled:
            return UninstalledError(product=self._anchor.product.name)
        key, state = None, settled(standing.state, self._machine, self._entropy).asking(self._entropy)
        if unwritable is None:
            key, state = self._keeper.proof_key(state)
        standing = _replace(standing, state=state)
        unwritable = self._keep(standing, unwritable)
        learnt = self._learnt()
        try:
            if unwritable is not None and standing.lease is not None:
                is_licensed = standing.life_at(now_s, self._anchor.product.policy).status is LicenseStatus.LICENSED
                if may_postpone or is_licensed:
                    raise unwritable  # a new lease would be lost with this process, and the one on disk be superseded
            standing, refusal = yield from self._ask_all(standing, key, now_s)
        except QuorateError as error:
            standing = self._judged_anew(standing, now_s, learnt)
            state = standing.state.unanswered(error, now_s, self._chance(), self._anchor.product.policy)
            self._keep(_replace(standing, state=state), unwritable)
            return error.with_traceback(None)  # it is a value from here on; its frames hold it
        unwritable = self._keep(standing, unwritable)
        return refusal or unwritable

    def _ask_all(self, standing: Standing, key: ProofKey | None, now_s: int) -> _Asking:
        """The hosts in their order, until one has recorded this machine; with the refusal, if it is one.

        Raises:
            QuorateError: there was none; the most telling reason.
        """
        search = self._finder.search(standing.state.directions())
        learnt = self._learnt()
        policy, nonce = self._anchor.product.policy, standing.state.nonce or ""
        request = request_of(standing, self._machine, policy, nonce, now_s)
        unheard: list[_Said] = []
        is_anybody = False
        for found in search.hosts():
            is_anybody = True
            try:
                said = yield from self._ask(standing, key, search, found, request)
            except QuorateError as error:
                search.reject(found, error.with_traceback(None))  # the search is in its frames: they would be a cycle
                continue
            if said.is_heard or said.refusal is None:
                return self._believe(self._judged_anew(standing, now_s, learnt), said, now_s), said.refusal
            search.reject(found, said.refusal)
            unheard.append(said)
        failure = search.failure()
        if not is_anybody:
            self._events.sent(request, None, self._anchor, failure)
        # A signed refusal is an answer too: where it is the most telling of all, its intervals are adopted.
        for said in unheard:
            if type(said.refusal) is type(failure):
                believed = self._believe(self._judged_anew(standing, now_s, learnt), said, now_s)
                return _replace(believed, state=believed.state.with_outcome(failure)), failure
        raise failure

    def _ask(
        self, standing: Standing, key: ProofKey | None, search: Search, found: Found, request: ActivationRequest
    ) -> _AskingOne:
        """One host; once more without a proof where it does not know what that is, and once more with the right one
        where it turns out to be a host that is known by another name."""
        state, hosts = standing.state, standing.state.hosts_at(found.target)
        for _ in range(ASKS_MAX - 1):
            if key is None:
                break
            try:
                said = yield from self._ask_once(standing, search, found, key.signed(request, state, hosts))
            except MalformedRequestError:
                key = None
                continue
            host = said.said.host_id
            if not isinstance(said.refusal, CmidSupersededError) or host in hosts:
                return said
            if all(each.host != host for each in state.heard):
                return said
            hosts = hosts | {host}
        proved = request if key is None else key.signed(request, state, hosts)
        return (yield from self._ask_once(standing, search, found, proved))

    def _ask_once(self, standing: Standing, search: Search, found: Found, request: ActivationRequest) -> _AskingOne:
        now_s = request.time_s
        try:
            addresses = None if self._transport.is_proxied else search.addresses(found)
            answer = yield Ask(found.target, with_proof(request, self._enrolment), now_s, addresses)
        except QuorateError as error:
            # A host of before refuses a proof; the question goes to it once more.
            if request.commit is UNSET or not isinstance(error, MalformedRequestError):
                self._events.sent(request, found.target, self._anchor, error)
            raise
        self._events.sent(request, found.target, self._anchor, None)
        question = Question(request.cmid, request.edition, request.nonce)
        try:
            said = self._verified(standing, answer, question, Where(found.target, addresses), now_s)
        except QuorateError as error:
            self._events.received(request, found.target, None, self._anchor, error)
            raise
        refusal = refusal_error(said, self._anchor) if isinstance(said, Refusal) else None
        self._events.received(request, found.target, said, self._anchor, refusal)
        return _Said(found, answer, said, refusal)

    def _verified(
        self, standing: Standing, answer: Answer, question: Question, where: Where, now_s: int
    ) -> Lease | Refusal:
        if self._learner is None:
            return self._accept(answer, question, self._anchor, now_s)
        seen, is_renewal = standing.state.list_seen, standing.lease is not None
        return self._learner.accept(answer, question, self._anchor, now_s, where, seen=seen, is_renewal=is_renewal)

    def _learnt(self) -> int:
        return 0 if self._learner is None else self._learner.news.learnt

    def _judged_anew(self, standing: Standing, now_s: int, learnt: int) -> Standing:
        """The standing by what hosts have brought of the publisher in this attempt, if they did."""
        if self._learner is None or self._learner.news.learnt == learnt:
            return standing
        standing = self._keeper.judged_anew(standing, now_s)
        state = standing.state.with_list_seen(self._learner.news.seen())
        return _replace(standing, state=state)

    def _believe(self, standing: Standing, verified: _Said, now_s: int) -> Standing:
        """The standing after a verified answer. A lease proves the time, too; a refusal proves nothing: its host's
        clock may be the one that is wrong."""
        said, state = verified.said, standing.state
        chance, anchor = self._chance(), self._anchor
        if isinstance(verified.refusal, CmidSupersededError) and isinstance(said, Refusal):
            state = state.superseded(said, verified.answer, verified.found, now_s, chance, anchor, self._entropy)
        else:
            state = state.answered(said, verified.answer, verified.found, now_s, chance, anchor)
        if isinstance(said, Refusal):
            return _replace(standing, state=state)
        self._keeper.believe(said.issued_s)
        return _replace(standing, state=state, lease=said, proven_s=said.issued_s)

    def _keep(self, standing: Standing, unwritable: FileAccessError | None) -> FileAccessError | None:
        """Write it; or, where that does not work, go on with it in memory. What was in the way."""
        if unwritable is None:
            try:
                self._keeper.keep(standing.state, standing.lease)
            except FileAccessError as fault:
                unwritable = fault
        if unwritable is not None:
            self._keeper.keep_in_memory(standing.state, standing.lease)
        return unwritable

    def _chance(self) -> float:
        return min(self._entropy.uniform(0.0, 1.0), 0.999_999)


_replace = msgspec.structs.replace
