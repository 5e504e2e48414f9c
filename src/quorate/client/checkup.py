"""Why is this client not activated? Every step of an attempt, looked at one by one, on every host that would be asked.

DNS, name, TCP, protocol, clock, chain, count; then this machine's own disk, the host certificate's life, the stored
lease and the last attempt. Counts nobody: hosts are greeted and probed. The verdict about the network is the client's
own (`Search.failure`), so doctor and `quorate client activate` never name two causes.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import msgspec

from quorate.client.asking import request_of, with_proof
from quorate.client.checkup_dns import check_dns
from quorate.client.checkup_fixes import CLOCK_ACCEPTED, CLOCK_PROVEN, SET_CLOCK, found_failed
from quorate.client.checkup_lease import check_attempt, check_lease
from quorate.client.config import Settings
from quorate.client.discovery.network import Network
from quorate.client.discovery.search import Finder, Search
from quorate.client.discovery.target import Found, Source
from quorate.client.enrolment import ClientEnrolment
from quorate.client.identity import Machine
from quorate.client.installed import Installed, load_installed
from quorate.client.keeper import Keeper
from quorate.client.leasefile import LeaseFile
from quorate.client.standing import Standing
from quorate.client.transport import Transport, TransportSettings, clean
from quorate.clock import Clock, Entropy
from quorate.core.checkup import Check, Level, failed, skipped
from quorate.core.documents import HostCertificate
from quorate.core.ids import b64url
from quorate.core.messages import HostDescription
from quorate.core.policy import DAY_S
from quorate.core.spans import whole_days
from quorate.core.trust import Anchor, check_certificate, clock_skew, utc_text
from quorate.core.words import counted
from quorate.errors import (
    BY_CODE,
    ClockSkewError,
    ClockTurnedBackError,
    CountBelowThresholdError,
    CountInsufficientError,
    EnrolmentRequiredError,
    EnrolmentSecretInvalidError,
    EnrolmentWrongError,
    FileAccessError,
    FilePermissionsError,
    HostCertificateEndingError,
    HostNotActivatedError,
    HostUnreachableError,
    NotAQuorateHostError,
    ProductNotCoveredError,
    QuorateError,
    TrustError,
)

__all__ = ["ClientCheckup"]

STEPS = ("name", "tcp", "protocol", "clock", "chain", "count")  # on each host, in this order
DISK_FREE_MIN = 1024 * 1024  # bytes; a record has 4 KiB
CERTIFICATE_WARN_S = 60 * DAY_S
ADDRESSES_MAX = 4


@dataclass
class _Visit:
    """One host, as far as it went."""

    found: Found
    checks: list[Check] = field(default_factory=list)
    error: QuorateError | None = None
    addresses: tuple[str, ...] | None = None
    description: HostDescription | None = None

    @property
    def is_heard(self) -> bool:
        """Whether an attempt would end at this host."""
        return self.error is None or isinstance(self.error, CountInsufficientError)


class ClientCheckup:
    """Looks at one product of this machine.

    Args:
        machine, transport, network: this machine's own unless given (tests).

    Raises:
        FileAccessError, MalformedError, TrustError: the product's files are no good.
        InvalidSettingError: an environment variable has a value it cannot have.
    """

    def __init__(
        self,
        found: Installed,
        settings: Settings,
        clock: Clock,
        entropy: Entropy,
        *,
        machine: Machine | None = None,
        transport: TransportSettings | None = None,
        network: Network | None = None,
    ) -> None:
        self._anchor: Anchor = load_installed(found.product_path, found.trust_path)
        self._file = LeaseFile(found.product_path.parent)
        self._enrolment = ClientEnrolment(self._file.folder, settings.enrolment_file)
        self._machine = machine or Machine.here()
        self._keeper = Keeper(self._file, self._anchor, None, self._machine, clock, entropy)
        self._how = transport or settings.transport
        self._transport = Transport(self._how)
        self._finder = Finder(self._anchor.product.service, network or settings.network, clock, entropy)
        self._clock = clock
        self._entropy = entropy

    def run(self) -> list[Check]:
        """Every check, in order; takes about a minute at the most. Never raises for the network."""
        now_s = self._clock.now_s()
        standing = self._keeper.standing(now_s)
        directions = standing.state.directions()
        by_dns = msgspec.structs.replace(directions, cached=None)  # so that DNS is asked in any case
        search = self._finder.search(by_dns)
        visits = [self._visit(search, found, standing, now_s) for found in search.hosts()]
        dns = list(check_dns(search, directions, is_anybody=bool(visits)))
        cached = directions.cached if directions.is_caching and directions.host is None else None
        if cached is not None and all(visit.found.target != cached.target for visit in visits):
            visits.insert(0, self._visit(search, cached, standing, now_s))
        best = _best(visits, search)
        fault = _fault_of(best, search)
        return [
            *dns,
            *_on_hosts(visits, best, fault, self._local_clock(standing, now_s)),
            self._disk(),
            self._certificate_life(best, now_s),
            check_lease(standing, self._anchor, now_s),
            check_attempt(standing, self._anchor, now_s, network_fault=fault),
        ]

    # --- one host --------------------------------------------------------------------------------------------------

    def _visit(self, search: Search, found: Found, standing: Standing, now_s: int) -> _Visit:
        visit = _Visit(found)
        step = STEPS[0]
        try:
            visit.checks.append(Check("name", Level.OK, self._name(search, visit)))
            step = "tcp"
            visit.checks.append(self._tcp(visit))
            step = "protocol"
            visit.description = self._transport.describe(found.target, now_s, visit.addresses)
            visit.checks.append(Check("protocol", Level.OK, _said(found, visit.description)))
            step = "clock"
            visit.checks.append(self._clocks(standing, visit.description.time_s, now_s))
            step = "chain"
            visit.checks.append(self._chain(found, visit.description, now_s))
            step = "count"
            visit.checks.append(self._count(visit, standing, now_s))
        except QuorateError as error:
            visit.error = error
            visit.checks.append(found_failed(_step_of(error, step), error))
            search.reject(found, error)
        return visit

    def _name(self, search: Search, visit: _Visit) -> str:
        target = visit.found.target
        if self._how.proxy is not None:
            return f"{target.host}: left to the proxy {self._how.proxy}"
        known = search.addresses(visit.found)
        if known is None:
            known = _addresses_of(target.host, target.port)
        visit.addresses = known
        return f"{target.host} is an address" if known == (target.host,) else f"{target.host} is {', '.join(known)}"

    def _tcp(self, visit: _Visit) -> Check:
        """That some address takes a connection; the others are told."""
        target = visit.found.target
        if visit.addresses is None:
            return skipped("tcp", "through a proxy it shows only together with the protocol")
        silent: list[str] = []
        open_: list[str] = []
        for address in visit.addresses:
            reason = _connect(address, target.port, self._how.connect_timeout_s / len(visit.addresses))
            if reason is None:
                open_.append(address)
            else:
                silent.append(reason if len(visit.addresses) == 1 else f"{address} ({reason})")
        if not open_:
            raise HostUnreachableError(tried=f"{target}: {', '.join(silent)}", port=target.port)
        visit.addresses = tuple(open_)
        seen = f"port {target.port} at {', '.join(open_)} takes connections"
        if not silent:
            return Check("tcp", Level.OK, seen)
        fix = f"Remove what is dead from the DNS addresses of {target.host}, or let TCP {target.port} in there."
        return Check("tcp", Level.WARN, f"{seen}; not: {', '.join(silent)}", HostUnreachableError.code, fix)

    def _clocks(self, standing: Standing, host_s: int, now_s: int) -> Check:
        tolerance_s = self._anchor.product.policy.clock_tolerance_s
        apart_s = abs(host_s - now_s)
        local = self._local_clock(standing, now_s)
        if local is not None and apart_s > tolerance_s:
            raise standing.turned_back(now_s)
        if apart_s > tolerance_s:
            raise clock_skew(host_s=host_s, client_s=now_s, tolerance_s=tolerance_s)
        if local is not None:
            return replace(local, seen=f"{local.seen}; the KMS host's clock agrees with it", fix=CLOCK_PROVEN)
        seen = f"{apart_s} s from the KMS host's, {tolerance_s // 3600} h allowed"
        if apart_s > tolerance_s // 2:
            return Check("clock", Level.WARN, seen, ClockSkewError.code, SET_CLOCK)
        return Check("clock", Level.OK, seen)

    def _local_clock(self, standing: Standing, now_s: int) -> Check | None:
        """What can be said without any host: whether the clock was turned back."""
        if not standing.is_turned_back(now_s, self._anchor.product.policy):
            return None
        check = found_failed("clock", standing.turned_back(now_s))
        left = standing.usable_words(now_s, self._anchor.product.policy)
        return replace(check, seen=f"{check.seen} ({left})", fix=f"{check.fix}. {CLOCK_ACCEPTED}")

    def _chain(self, found: Found, said: HostDescription, now_s: int) -> Check:
        if said.host_certificate is None:
            raise HostNotActivatedError
        certificate = self._checked(said.host_certificate, now_s)
        if certificate.host_id != said.host_id:
            reason = f"it calls itself {said.host_id}, and shows the certificate of {certificate.host_id}"
            raise NotAQuorateHostError(host=str(found.target), reason=reason)
        who = f"KMS host {certificate.host_id} ({certificate.customer})"
        return Check("chain", Level.OK, f"{certificate.publisher} lets {who} serve {self._anchor.product.name}")

    def _count(self, visit: _Visit, standing: Standing, now_s: int) -> Check:
        policy = self._anchor.product.policy
        nonce = b64url(self._entropy.token(16))  # of its own: a probe must not use up the pending one
        request = with_proof(request_of(standing, self._machine, policy, nonce, now_s), self._enrolment)
        probed = self._transport.probe(visit.found.target, request, now_s, visit.addresses)
        if probed.would_activate and probed.count < probed.threshold:
            seen = f"{probed.count} of {probed.threshold}: this machine would be renewed all the same (soft threshold)"
            missing = f"{probed.threshold - probed.count} more must contact this host for a new one to be activated."
            return Check("count", Level.WARN, f"{seen}, a new one refused", CountBelowThresholdError.code, missing)
        if probed.would_activate:
            return Check("count", Level.OK, f"{probed.count} of {probed.threshold}: this machine would be activated")
        if probed.code == ProductNotCoveredError.code:
            raise ProductNotCoveredError(edition=request.edition)
        if probed.code == ClockSkewError.code:
            tolerance_s = policy.clock_tolerance_s
            raise clock_skew(host_s=probed.host_time_s, client_s=now_s, tolerance_s=tolerance_s)
        if probed.code not in (None, CountInsufficientError.code):
            hint = "`quorate client activate` asks for real, and tells the next step."
            raise BY_CODE.get(str(probed.code), QuorateError).carried(clean(probed.message), hint)
        window_days = -(-policy.count_window_s // DAY_S)
        raise CountInsufficientError(count=probed.count, threshold=probed.threshold, window_days=window_days)

    def _checked(self, token: str, now_s: int) -> HostCertificate:
        """The certificate, by all that is known of the publisher here."""
        news = self._keeper.news
        return (check_certificate if news is None else news.check_certificate)(token, self._anchor, now_s)

    # --- this machine ----------------------------------------------------------------------------------------------

    def _disk(self) -> Check:
        folder = self._file.folder
        try:
            free = shutil.disk_usage(folder).free
            with tempfile.TemporaryFile(dir=folder) as trial:
                trial.write(b"x" * 4096)
                trial.flush()
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            fix = f"Free space, remount it for writing, or give it to who runs this: `ls -ld {folder}`; `df {folder}`."
            return Check("disk", Level.FAIL, f"{folder} cannot be written: {reason}", "FILE_ACCESS", fix)
        if free < DISK_FREE_MIN:
            return Check(
                "disk", Level.FAIL, f"{free} bytes free in {folder}", "FILE_ACCESS", f"Free space: `df {folder}`."
            )
        return Check("disk", Level.OK, f"{folder} can be written, {free >> 20} MiB free")

    def _certificate_life(self, best: _Visit | None, now_s: int) -> Check:
        token = None if best is None or best.description is None else best.description.host_certificate
        if token is None:
            return skipped("certificate", "no KMS host has shown one")
        try:
            certificate = self._checked(token, now_s)
        except QuorateError as error:
            return skipped("certificate", f"see above ({error.code})")
        days = whole_days(certificate.expires_s - now_s)
        if certificate.expires_s - now_s < CERTIFICATE_WARN_S:
            ending = HostCertificateEndingError(expires=utc_text(certificate.expires_s), days=days)
            return failed("certificate", ending, Level.WARN)
        until = f"until {utc_text(certificate.expires_s)}, {counted(days, 'day')}"
        return Check("certificate", Level.OK, f"the KMS host's certificate is good {until}")


# --- helpers ---------------------------------------------------------------------------------------------------------


def _best(visits: list[_Visit], search: Search) -> _Visit | None:
    """The host at which an attempt would end, or the one whose fault it would tell."""
    heard = next((visit for visit in visits if visit.is_heard), None)
    if heard is not None or not visits:
        return heard
    verdict = search.failure()
    return next((visit for visit in visits if visit.error is not None and visit.error.code == verdict.code), visits[0])


def _fault_of(best: _Visit | None, search: Search) -> QuorateError | None:
    """What an attempt would end with now; None when it would go well."""
    if best is None:
        return search.failure()
    return None if best.error is None else best.error if best.is_heard else search.failure()


def _on_hosts(
    visits: list[_Visit], best: _Visit | None, fault: QuorateError | None, local_clock: Check | None
) -> Iterator[Check]:
    """The steps on every host, step by step. Only the host that decides fails; what is wrong with others is a warning.

    Args:
        fault: what an attempt would end with: it names every host that was tried.
    """
    several = len(visits) > 1
    for step in STEPS:
        for visit in visits:
            for check in visit.checks:
                if check.step == step and check.level is Level.FAIL and visit is best and fault is not None:
                    yield replace(check, seen=fault.message)
                elif check.step == step:
                    yield _told(check, visit, is_best=visit is best, several=several)
        if best is None or all(check.step != step for check in best.checks):
            if step == "clock" and local_clock is not None:
                yield local_clock
            else:
                yield skipped(step, "no KMS host to ask" if best is None else "the step before it failed")


def _told(check: Check, visit: _Visit, *, is_best: bool, several: bool) -> Check:
    name = str(visit.found.target)
    seen = f"{name}: {check.seen}" if several and name not in check.seen else check.seen
    if check.level is not Level.FAIL or is_best:
        return replace(check, seen=seen)
    fix = check.fix
    if visit.found.source is Source.DNS:
        fix = f"{fix} If that host is gone: on a KMS host, `quorate host dns check` names the record to remove."
    return replace(check, level=Level.WARN, seen=seen, fix=fix)


def _step_of(error: QuorateError, step: str) -> str:
    """Where an error belongs: a probe tells of everything at once."""
    if isinstance(error, ClockSkewError):
        return "clock"
    if isinstance(error, TrustError | ProductNotCoveredError | HostNotActivatedError):
        return "clock" if isinstance(error, ClockTurnedBackError) else "chain"
    return step if isinstance(error, _OF_THE_ANSWER) or step not in ("chain", "count") else "protocol"


_OF_THE_ANSWER = (
    *(CountInsufficientError, EnrolmentRequiredError, EnrolmentWrongError),
    *(EnrolmentSecretInvalidError, FileAccessError, FilePermissionsError),
)
"""What is wrong with the question itself, or with the answer to it: TCP, protocol, clock and chain were well."""


def _said(found: Found, said: HostDescription) -> str:
    return f"{found.target} is a KMS host, Quorate {said.version}, host id {said.host_id}"


def _addresses_of(host: str, port: int) -> tuple[str, ...]:
    """As the operating system looks them up, which is what an attempt uses for a name that a person typed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise HostUnreachableError(tried=f"{host}:{port}: the name does not resolve", port=port) from None
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))[:ADDRESSES_MAX]


def _connect(address: str, port: int, timeout_s: float) -> str | None:
    """Why no connection was made; None when one was."""
    try:
        socket.create_connection((address, port), timeout=timeout_s).close()
    except TimeoutError:
        return "no answer in time"
    except OSError as fault:
        return (fault.strerror or type(fault).__name__).lower()
    return None
