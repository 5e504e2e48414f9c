"""What a client keeps on disk, as one frozen record, and every change it can go through. Pure.

The record itself is not signed, so nothing in it is believed that the lease inside can prove better: a record with a
lease is Licensed until that lease ends, one without is in a grace. What follows from the time alone is never stored:
a clock that was wrong for a day leaves no mark.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from quorate.client.attempts import Heard, Outcome
from quorate.client.discovery.domains import parse_domain
from quorate.client.discovery.search import Directions
from quorate.client.discovery.target import Found, Source, Target
from quorate.client.identity import Machine, MachineMark
from quorate.client.news import ListSeen
from quorate.clock import Entropy
from quorate.core import lifecycle
from quorate.core.ids import Cmid, Nonce, Slug, b64url, new_cmid
from quorate.core.lease import Lease, Refusal
from quorate.core.lifecycle import Event, Life
from quorate.core.messages import REVEALS_MAX, Answer, Count, LicenseStatus, TimeS, decode_strict
from quorate.core.policy import DAY_S, Policy
from quorate.core.trust import Anchor, Question, refusal_error
from quorate.errors import (
    CmidSupersededError,
    CountInsufficientError,
    InvalidSettingError,
    MalformedError,
    QuorateError,
    RearmLimitReachedError,
)

__all__ = ["STATE_BYTES_MAX", "ClientState", "decode_state", "fresh"]

STATE_BYTES_MAX = 64 * 1024  # a usual one has 4 KiB

_WITH_LEASE = frozenset({LicenseStatus.LICENSED})
_WITHOUT_LEASE = frozenset(  # additional grace: its lease is void; unlicensed: it was uninstalled
    {LicenseStatus.INITIAL_GRACE, LicenseStatus.ADDITIONAL_GRACE, LicenseStatus.UNLICENSED}
)

_Token = Annotated[str, Meta(max_length=8192)]
_HostText = Annotated[str, Meta(max_length=300)]


class ClientState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One installation of one product (`client.json`).

    Attributes:
        previous_cmid: the CMID before a rearm, until a host has heard of it.
        lease_nonce: of the question that the lease answered; lease_cmid: its CMID, where that was another than now.
        superseded_s: when a host took the CMID before from this machine, until the present one is activated.
        list_seen: the newest revocation list that was accepted here.
        nonce: of the question that no host has answered yet; None when there is none.
        heard: the last questions that a host has recorded, the newest first: of the CMID before, while that is kept.
        has_secret: whether this installation's secret was made (`client.proofkey`); one that lies there without that
            is another's.
        host: set by hand; cached_host: the one that worked last. As `Target` reads them.
        cached_source, cached_domain: how the latter became known.
        domain: the only DNS domain to look in, set by hand.
        is_caching: whether the host that worked last is asked first; else DNS decides each time.
        is_mdns: whether to look on the local link too.
        attempts: how many there were, so that a waiting process sees that another one has asked.
        outcome: None when the last attempt went well, or there was none.
        proven_s: when the newest lease that was accepted here was issued; 0 before the first one.
        begun_s: when the present grace began, by this machine's clock; None with a lease, and in old records.
        accepted_s: the time that the administrator said to be right (`accept-clock`), until the next lease.
    """

    v: Literal[1] = 1
    product: Slug
    edition: Slug
    cmid: Cmid
    previous_cmid: Cmid | None = None
    life: Life
    lease: _Token | None = None
    host_certificate: _Token | None = None
    lease_nonce: Nonce | None = None
    lease_cmid: Cmid | None = None
    superseded_s: TimeS | None = None
    list_seen: ListSeen | None = None
    nonce: Nonce | None = None
    heard: Annotated[tuple[Heard, ...], Meta(max_length=REVEALS_MAX)] = ()
    has_secret: bool = False
    machine: MachineMark | None = None
    host: _HostText | None = None
    cached_host: _HostText | None = None
    cached_source: Source | None = None
    cached_domain: _HostText | None = None
    domain: _HostText | None = None
    is_caching: bool = True
    is_mdns: bool = False
    attempts: Annotated[int, Meta(ge=0, le=2**53)] = 0
    last_attempt_s: TimeS | None = None
    outcome: Outcome | None = None
    count: Count | None = None
    threshold: Count | None = None
    proven_s: TimeS
    begun_s: TimeS | None = None
    accepted_s: TimeS | None = None

    def host_target(self) -> Target | None:
        return None if self.host is None else Target.parse(self.host)

    def cached_target(self) -> Target | None:
        return None if self.cached_host is None else Target.parse(self.cached_host)

    def directions(self) -> Directions:
        """Whom to ask. A host that was found by mDNS is looked for anew each time: DNS comes before it."""
        cached = self.cached_target()
        found = None
        if cached is not None and self.cached_source is not Source.MDNS:
            found = Found(cached, self.cached_source, self.cached_domain, is_cached=True)
        return Directions(self.host_target(), found, self.domain, self.is_caching, self.is_mdns)

    @property
    def is_uninstalled(self) -> bool:
        """Whether slmgr `/upk` was said, and it was not installed again since."""
        return self.life.status is LicenseStatus.UNLICENSED

    def lease_question(self) -> Question | None:
        """The question that the stored lease answers; None when there is none."""
        if self.lease_nonce is None:
            return None
        return Question(self.lease_cmid or self.cmid, self.edition, self.lease_nonce)

    # --- changes ---------------------------------------------------------------------------------------------------

    @property
    def heard_cmid(self) -> str:
        """The CMID that `heard` was asked with."""
        return self.previous_cmid or self.cmid

    def hosts_at(self, target: Target) -> frozenset[str]:
        """The hosts that have answered there."""
        at = str(target)
        return frozenset(each.host for each in self.heard if each.at == at and each.host is not None)

    def asking(self, entropy: Entropy) -> ClientState:
        """With a nonce to ask with: the pending one, so that a lost reply makes no second question, or a new one."""
        return self if self.nonce is not None else _replace(self, nonce=b64url(entropy.token(16)))

    def answered(
        self, said: Lease | Refusal, answer: Answer, found: Found, now_s: int, chance: float, anchor: Anchor
    ) -> ClientState:
        """After a verified answer: the host's intervals adopted. A lease proves the time, also when it is before ours;
        a refusal moves nothing else: neither the state, nor the lease, nor a time.

        A host that keeps no record of us (it is for other products, or our clocks differ) is not asked first next time.
        """
        policy = anchor.product.policy
        is_heard = isinstance(said, Lease) or said.code == CountInsufficientError.code  # other refusals leave no record
        is_ours = is_heard or (isinstance(said, Refusal) and said.code == CmidSupersededError.code)
        common: dict[str, Any] = {
            "nonce": None,
            "heard": self._with_heard(Heard(said.nonce, said.host_id, str(found.target))) if is_heard else self.heard,
            "previous_cmid": None if is_heard else self.previous_cmid,
            "cached_host": str(found.target) if is_ours else None,
            "cached_source": found.source if is_ours else None,
            "cached_domain": found.domain if is_ours else None,
            "attempts": self.attempts + 1,
            "last_attempt_s": now_s,
            "count": said.count if is_heard else self.count,
            "threshold": said.threshold if is_heard else self.threshold,
        }
        if isinstance(said, Refusal):
            life = lifecycle.step(self.life, Event.REFUSED, now_s, policy, chance=chance, intervals=said.intervals)
            return _replace(self, **common, life=life, outcome=Outcome.of(refusal_error(said, anchor)))
        life = lifecycle.step(
            self.life, Event.ACTIVATED, now_s, policy, chance=chance, lease=said, intervals=said.intervals
        )
        return _replace(
            self,
            **common,
            life=life,
            lease=answer.answer,
            host_certificate=answer.host_certificate,
            lease_nonce=said.nonce,
            lease_cmid=None,
            superseded_s=None,
            outcome=None,
            proven_s=said.issued_s,
            begun_s=None,
            accepted_s=None,
        )

    def superseded(
        self, said: Refusal, answer: Answer, found: Found, now_s: int, chance: float, anchor: Anchor, entropy: Entropy
    ) -> ClientState:
        """After a host's word that another machine goes on with this CMID: a new one, and the same life. The lease runs
        on; that machine's record is not named as a previous one, for it is not ours to remove.

        Once a day at the most until the new one is activated: a faulty host must not make many machines of one.
        """
        state = self.answered(said, answer, found, now_s, chance, anchor)
        if self.superseded_s is not None and 0 <= now_s - self.superseded_s < DAY_S:
            return state
        return _replace(
            state,
            life=lifecycle.step(
                self.life, Event.SUPERSEDED, now_s, anchor.product.policy, chance=chance, intervals=said.intervals
            ),
            cmid=new_cmid(entropy.token(16)),
            previous_cmid=None,
            heard=(),
            has_secret=False,
            lease_cmid=None if self.lease is None else self.lease_cmid or self.cmid,
            superseded_s=now_s,
        )

    def unanswered(self, error: QuorateError, now_s: int, chance: float, policy: Policy) -> ClientState:
        """After an attempt without a verified answer. The nonce stays: that host may have counted us."""
        told = error.values.get("retry_after_s")
        retry_after_s = told if isinstance(told, int) else None
        life = lifecycle.step(
            self.life, Event.UNANSWERED, now_s, policy, chance=chance, retry_after_s=retry_after_s or None
        )
        return _replace(self, life=life, attempts=self.attempts + 1, last_attempt_s=now_s, outcome=Outcome.of(error))

    def with_outcome(self, error: QuorateError) -> ClientState:
        return _replace(self, outcome=Outcome.of(error))

    def rearmed(self, now_s: int, entropy: Entropy, policy: Policy) -> ClientState:
        """A new CMID and a new initial grace; the host is told which record the new one replaces."""
        is_known = self.previous_cmid is None or self.nonce is not None  # a host may have heard the present CMID
        pending = self if self.nonce is None else _replace(self, heard=self._with_heard(Heard(self.nonce)))
        return _replace(
            self,
            cmid=new_cmid(entropy.token(16)),
            previous_cmid=self.cmid if is_known else self.previous_cmid,
            heard=pending.heard,
            life=lifecycle.step(self.life, Event.REARMED, now_s, policy),
            begun_s=now_s,
            nonce=None,
            outcome=None,
            **_NO_LEASE,
        )

    def uninstalled(self, now_s: int, policy: Policy) -> ClientState:
        """Unlicensed, without a lease, and nobody is asked. The CMID stays, so that a host counts no second machine."""
        if self.is_uninstalled:
            return self
        life = lifecycle.step(self.life, Event.UNINSTALLED, now_s, policy)
        return _replace(self._without_question(), life=life, outcome=None, **_NO_LEASE)

    def installed_again(self, now_s: int, policy: Policy) -> ClientState:
        """Back from `uninstalled`. The initial grace begins anew, so it counts as a rearm; beyond the limit it is over
        at once, and a host is needed."""
        if not self.is_uninstalled:
            return self
        rearms = self.life.rearms
        life = lifecycle.step(self.life, Event.INSTALLED, now_s, policy)
        if rearms >= policy.rearm_limit:
            return _replace(self, life=_replace(life, deadline_s=now_s), begun_s=now_s)
        return _replace(self, life=_replace(life, rearms=rearms + 1), begun_s=now_s)

    def clock_accepted(self, now_s: int, policy: Policy) -> ClientState:
        """The administrator says that `now_s` is right, and what was later is not: one rearm is used. A lease stays,
        and runs by that clock; a grace begins anew.

        Raises:
            RearmLimitReachedError: rearms were used as often as the policy allows.
        """
        rearms = self.life.rearms
        if rearms >= policy.rearm_limit:
            raise RearmLimitReachedError(rearm_limit=policy.rearm_limit)
        life = _replace(self.life, rearms=rearms + 1)
        state = _replace(self, life=life, proven_s=now_s, accepted_s=now_s).with_attempt_due(now_s)
        return state if self.lease is not None else state.with_grace_begun(now_s, policy)

    def with_grace_begun(self, now_s: int, policy: Policy) -> ClientState:
        """The same grace, begun now: the time at which it had begun was none."""
        life = _replace(self.life, deadline_s=now_s + lifecycle.grace_s(self.life, policy))
        return _replace(self, life=life, begun_s=now_s)

    def without_lease(self, now_s: int, policy: Policy) -> ClientState:
        """The lease is void; the installation stays the same, and so does its CMID. What was over stays over."""
        life = self.life
        if self.is_uninstalled:
            return self
        if life.status is LicenseStatus.LICENSED and life.deadline_s is not None and life.deadline_s <= now_s:
            life = lifecycle.step(life, Event.DEADLINE, life.deadline_s, policy)
        begun_s = now_s if life.status is LicenseStatus.LICENSED else self.begun_s
        life = lifecycle.step(life, Event.LEASE_VOID, now_s, policy)
        return _replace(self, life=life, begun_s=begun_s, **_NO_LEASE)

    def as_another(self, machine: Machine, now_s: int, entropy: Entropy, policy: Policy) -> ClientState:
        """Another installation than the one whose record this was: its own CMID, no lease, nothing of that one's
        lineage. Grace and rearms stay used."""
        return _replace(
            self.without_lease(now_s, policy),
            cmid=new_cmid(entropy.token(16)),
            previous_cmid=None,
            heard=(),
            has_secret=False,
            superseded_s=None,
            nonce=None,
            machine=machine.mark(b64url(entropy.token(16))),
        )

    def with_list_seen(self, seen: ListSeen | None) -> ClientState:
        return self if seen is None else _replace(self, list_seen=seen)

    def with_edition(self, edition: str) -> ClientState:
        return _replace(self._without_question(), edition=edition)

    def with_host(self, target: Target | None, now_s: int) -> ClientState:
        """Another host set by hand, or none. What was cached is forgotten, and it is time to ask."""
        return _replace(self._looking_anew(now_s), host=None if target is None else str(target))

    def with_domain(self, domain: str | None, now_s: int) -> ClientState:
        """Another domain set by hand, or none. What was cached is forgotten, and it is time to ask."""
        return _replace(self._looking_anew(now_s), domain=domain)

    def with_attempt_due(self, now_s: int) -> ClientState:
        """Time to ask: what was in the way of an answer may be gone."""
        return self if self.is_uninstalled else _replace(self, life=lifecycle.due(self.life, now_s))

    def with_caching(self, is_on: bool) -> ClientState:
        return _replace(self, is_caching=is_on)

    def with_mdns(self, is_on: bool) -> ClientState:
        return _replace(self, is_mdns=is_on)

    def _with_heard(self, newest: Heard) -> tuple[Heard, ...]:
        """Of the present CMID. What was kept of the one before is of no use once a host may know this one."""
        before = () if self.previous_cmid is not None else self.heard
        return (newest, *(each for each in before if each.nonce != newest.nonce))[:REVEALS_MAX]

    def _without_question(self) -> ClientState:
        """Another question will be asked; a host may have heard the pending one all the same."""
        if self.nonce is None:
            return self
        kept = self.heard if self.previous_cmid is not None else self._with_heard(Heard(self.nonce))
        return _replace(self, nonce=None, heard=kept)

    def _looking_anew(self, now_s: int) -> ClientState:
        life = self.life if self.is_uninstalled else lifecycle.due(self.life, now_s)
        return _replace(self, cached_host=None, cached_source=None, cached_domain=None, life=life)


_replace = msgspec.structs.replace
_NO_LEASE = {"lease": None, "host_certificate": None, "lease_nonce": None, "lease_cmid": None}
_decoder = msgspec.json.Decoder(ClientState)


def fresh(anchor: Anchor, edition: str, machine: Machine, now_s: int, entropy: Entropy) -> ClientState:
    """A new installation, at the beginning of its initial grace."""
    return ClientState(
        product=anchor.product.product,
        edition=edition,
        cmid=new_cmid(entropy.token(16)),
        life=lifecycle.step(lifecycle.unlicensed(), Event.INSTALLED, now_s, anchor.product.policy),
        machine=machine.mark(b64url(entropy.token(16))),
        proven_s=0,
        begun_s=now_s,
    )


def decode_state(data: bytes) -> ClientState:
    """The record in `data`.

    Raises:
        MalformedError: whatever is wrong with the bytes, or with what they say.
    """
    if len(data) > STATE_BYTES_MAX:
        raise MalformedError(what="client.json", reason=f"it is longer than {STATE_BYTES_MAX} bytes")
    state = decode_strict(_decoder, data, "client.json")
    try:
        state.directions()
        for domain in (state.domain, state.cached_domain):
            if domain is not None:
                parse_domain(domain)
    except InvalidSettingError as fault:
        raise MalformedError(what="client.json", reason=fault.message) from None
    if len({state.lease is None, state.host_certificate is None, state.lease_nonce is None}) != 1:
        raise MalformedError(what="client.json", reason="of lease, certificate and nonce, one is missing")
    if state.lease is None and state.lease_cmid is not None:
        raise MalformedError(what="client.json", reason="it names the CMID of a lease, without one")
    life = state.life
    if life.status not in (_WITHOUT_LEASE if state.lease is None else _WITH_LEASE):
        raise MalformedError(
            what="client.json",
            reason=f"it says {life.status.value}, with{'out' if state.lease is None else ''} a lease",
        )
    if {life.deadline_s is None, life.next_attempt_s is None} != {state.is_uninstalled}:
        raise MalformedError(what="client.json", reason="it does not say until when")
    return state
