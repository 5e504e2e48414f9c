"""Is this KMS host well, and if not, why? Its files, its papers, its port, its records, and what stands around it.

In order: state files and permissions, host key, certificate and its life, port, own protocol, firewall, DNS record,
store, disk, clock, count, what will become of it, last event. Nothing is changed; the host may run or not.
"""

from __future__ import annotations

import contextlib
import pwd
import shutil
from collections.abc import Callable, Iterable, Iterator

from quorate.clock import Clock, Entropy
from quorate.core.checkup import RESOLV_CONF_FIX, Check, Level, failed, judged, skipped
from quorate.core.policy import DAY_S, HOUR_S
from quorate.core.spans import whole_days
from quorate.core.trust import utc_text
from quorate.core.words import counted
from quorate.errors import (
    ClockTurnedBackError,
    CountInsufficientError,
    DnsHostNameNotQualifiedError,
    DnsServerFailureError,
    FileOwnerError,
    FirewallClosedError,
    HostKeyMissingError,
    HostNotRunningError,
    HostUnreachableError,
    NotAQuorateHostError,
    PortTakenError,
    ProductNotCoveredError,
    QuorateError,
    StoreUnavailableError,
    TlsUnusableError,
)
from quorate.host.admin_tls import tls_identity
from quorate.host.administration import Administration
from quorate.host.config import Limits, StatePaths
from quorate.host.configuration import Configuration
from quorate.host.falling import falling
from quorate.host.keyring import Credentials, HostKeyring
from quorate.host.process import Running, running_host
from quorate.host.publication.check import Hello, check_publication
from quorate.host.publication.machine import Surroundings
from quorate.host.renewal import ending
from quorate.host.store.store import Store

__all__ = ["HOST_STEPS", "FirewallPort", "HostCheckup"]

HOST_STEPS = (
    *("state", "key", "certificate", "port", "protocol", "firewall", "dns", "store", "disk", "clock", "count"),
    *("forecast", "admin", "events"),
)
DISK_WARN_MIN = 256 * 1024 * 1024  # bytes; a busy host's event log grows by tens of megabytes a day
CLOCK_TOLERANCE_S = 4 * HOUR_S
QUIET_WARN_S = 8 * DAY_S  # every client renews within 7 days

FirewallPort = Callable[[], tuple[str, tuple[int, ...]] | None]
"""The firewall that keeps something out here, and the ports that "KMS Traffic" opens in it; None when none does.

Raises:
    FirewallNeedsRootError: only root can see it.
    QuorateError: it does not answer.
"""


class HostCheckup:
    """Looks at the host of one state folder.

    Args:
        hello: greets an address and port, as clients would reach it.
        firewall: looks at this machine's firewall.
        configuration: what is said of settings beside the store; default: nothing.
    """

    def __init__(
        self,
        paths: StatePaths,
        clock: Clock,
        entropy: Entropy,
        *,
        around: Surroundings,
        hello: Hello,
        firewall: FirewallPort,
        configuration: Configuration | None = None,
    ) -> None:
        self._paths = paths
        self._clock = clock
        self._entropy = entropy
        self._around = around
        self._hello = hello
        self._firewall = firewall
        self._configuration = configuration

    def run(self) -> list[Check]:
        """Every check, in order."""
        checks: list[Check] = []
        step = "state"
        try:
            keyring = HostKeyring(self._paths, self._clock, self._entropy)
            step = "store"
            store = Store.open(self._paths.database)
        except QuorateError as error:
            found = {step: failed(step, error)}
            return [found.get(each) or skipped(each, f"see {step}") for each in HOST_STEPS]
        with contextlib.closing(store):
            host = Administration(keyring, store, self._clock, self._configuration)
            for step, look in self._steps(host, keyring, store).items():
                try:
                    checks += look()
                except QuorateError as error:
                    checks.append(failed(step, error))
        return checks

    def _steps(
        self, host: Administration, keyring: HostKeyring, store: Store
    ) -> dict[str, Callable[[], Iterable[Check]]]:
        running = running_host(self._paths)
        return {
            "state": lambda: self._state(keyring),
            "key": lambda: [self._key(keyring)],
            "certificate": lambda: self._certificate(keyring),
            "port": lambda: [self._port(host, running)],
            "protocol": lambda: [self._protocol(host, keyring, running)],
            "firewall": lambda: [self._closed(host, running)],
            "dns": lambda: self._dns(host, keyring),
            "store": lambda: [judged("store", lambda: _writable(store))],
            "disk": lambda: [self._disk()],
            "clock": lambda: [self._clock_of(host)],
            "count": lambda: self._counts(host),
            "forecast": lambda: self._forecast(host),
            "admin": lambda: [self._administered(host)],
            "events": lambda: [self._last_event(host)],
        }

    def _administered(self, host: Administration) -> Check:
        settings, now_s = host.settings(), self._clock.now_s()
        tokens, identity = len(host.tokens()), tls_identity(settings, now_s)
        where = f"administration on {settings.admin_address}"
        if identity is None:
            return Check("admin", Level.OK, f"{where}, for this machine only")
        ending = identity.ending(now_s)
        if ending is not None:
            fix = "Replace certificate and key; a running host takes them within a second."
            return Check("admin", Level.WARN, ending, TlsUnusableError.code, fix)
        seen = f"{where} over TLS until {utc_text(identity.expires_s)}, for {counted(tokens, 'token')}"
        return Check("admin", Level.OK, seen)

    # --- files and papers ------------------------------------------------------------------------------------------

    def _state(self, keyring: HostKeyring) -> Iterator[Check]:
        owner = self._paths.root.stat().st_uid
        for path in sorted(self._paths.root.rglob("*"))[:1000]:
            with contextlib.suppress(FileNotFoundError):
                found = path.lstat().st_uid
                if found != owner:
                    error = FileOwnerError(path=path, owner=_user(found), wanted=_user(owner))
                    yield failed("state", error)
                    return
        keyring.signing_key()
        keyring.admin_token()
        enrolment = keyring.enrolment.read()
        yield Check("state", Level.OK, f"{self._paths.root} is whole, and {_user(owner)}'s alone")
        if enrolment is not None and enrolment.is_required:
            seen = f"only clients that know the enrolment secret of {utc_text(enrolment.since_s)} are served"
            yield Check("state", Level.OK, seen)

    def _key(self, keyring: HostKeyring) -> Check:
        key = keyring.product_key()
        if key is not None:
            return Check("key", Level.OK, f"host key ending in {key.last_five} is installed")
        if self._paths.certificate.exists():
            return Check("key", Level.OK, "its text was removed from the disk; the activation does not need it")
        return failed("key", HostKeyMissingError())

    def _certificate(self, keyring: HostKeyring) -> Iterator[Check]:
        credentials, now_s = keyring.credentials(), self._clock.now_s()
        certificate, _ = credentials.in_force(now_s)
        notice = ending(credentials, now_s)
        if notice is not None:
            yield failed("certificate", notice, Level.WARN)
        else:
            days = whole_days(certificate.expires_s - now_s)
            seen = (
                f"activated for {certificate.customer} until {utc_text(certificate.expires_s)}, {counted(days, 'day')}"
            )
            yield Check("certificate", Level.OK, seen)
        yield from _uncovered(credentials, certificate.groups)

    # --- port and protocol -----------------------------------------------------------------------------------------

    def _port(self, host: Administration, running: Running | None) -> Check:
        settings = host.settings()
        address, port = _own_address(running, settings.address), (running and running.port) or settings.port
        try:
            self._hello(address, port)
        except NotAQuorateHostError:
            pass
        except HostUnreachableError as silent:
            if running is None:
                return failed("port", HostNotRunningError(path=self._paths.root))
            return failed("port", silent)
        if running is None:
            error = PortTakenError(
                address=f"TCP port {port}",
                reason="this host does not run, and something listens there",
                another="`quorate host set port N`",
            )
            return failed("port", error)
        return Check("port", Level.OK, f"pid {running.pid} listens on TCP port {port}")

    def _protocol(self, host: Administration, keyring: HostKeyring, running: Running | None) -> Check:
        if running is None:
            return skipped("protocol", "the host does not run")
        port = running.port or host.settings().port
        said = self._hello(_own_address(running, host.settings().address), port)
        if said.host_id != keyring.host_id:
            reason = f"KMS host {said.host_id} answers there, and this one is {keyring.host_id}"
            return failed("protocol", NotAQuorateHostError(host=f"TCP port {port}", reason=reason))
        if not said.activated:
            return skipped("protocol", "it answers, and is not activated: see above")
        return Check("protocol", Level.OK, f"it answers as a KMS host, Quorate {said.version}")

    def _closed(self, host: Administration, running: Running | None) -> Check:
        port = (running and running.port) or host.settings().port
        try:
            found = self._firewall()
        except QuorateError as unseen:
            return Check("firewall", Level.SKIP, unseen.message, fix="`sudo quorate doctor --role host`")
        if found is None:
            return Check("firewall", Level.OK, "no firewall of this machine keeps anything out; others may, on the way")
        name, ports = found
        if port in ports:
            return Check("firewall", Level.OK, f"{name} lets TCP port {port} in (KMS Traffic)")
        # A rule of another name may let it in all the same, so this is no certainty.
        return failed("firewall", FirewallClosedError(firewall=name, port=port), Level.WARN)

    def _dns(self, host: Administration, keyring: HostKeyring) -> Iterator[Check]:
        passed_over = self._around.names.passed_over() if host.settings().dns_publishing else ()
        if passed_over:
            yield Check("dns", Level.WARN, "; ".join(passed_over), DnsServerFailureError.code, RESOLV_CONF_FIX)
        if not host.settings().dns_publishing:
            yield Check(
                "dns", Level.OK, "publishing is off: clients are told their host, or the record is made by hand"
            )
            return
        settings, _ = host.publication(self._around, self._entropy)
        try:
            findings = check_publication(settings, self._around.names, self._hello, keyring.host_id)
        except DnsHostNameNotQualifiedError as nameless:
            yield failed("dns", nameless, Level.WARN)
            return
        for each in findings:
            level = Level(each.level)
            code = None if level is Level.OK else each.code
            yield Check("dns", level, f"{each.name}: {each.message}", code, each.fix)

    # --- records ---------------------------------------------------------------------------------------------------

    def _disk(self) -> Check:
        try:
            free = shutil.disk_usage(self._paths.root).free
        except OSError as fault:
            return Check("disk", Level.FAIL, fault.strerror or type(fault).__name__, "FILE_ACCESS")
        seen, fix = f"{free >> 20} MiB free in {self._paths.root}", f"Free space: `df {self._paths.root}`."
        if free < Limits().disk_free_min:
            return Check("disk", Level.FAIL, seen, StoreUnavailableError.code, fix)
        if free < DISK_WARN_MIN:
            return Check("disk", Level.WARN, seen, StoreUnavailableError.code, fix)
        return Check("disk", Level.OK, seen)

    def _clock_of(self, host: Administration) -> Check:
        """There is no other clock to compare with; but what has been written down has been."""
        now_s, newest = self._clock.now_s(), host.events(limit=1)
        if newest and newest[-1]["time_s"] > now_s + CLOCK_TOLERANCE_S:
            proven = utc_text(newest[-1]["time_s"])
            check = failed("clock", ClockTurnedBackError(now=utc_text(now_s), proven=proven))
            return Check("clock", Level.FAIL, check.seen, check.code, "`timedatectl set-ntp true`")
        unconfirmed = host.clock_fault()
        if unconfirmed is not None:
            return failed("clock", unconfirmed, Level.WARN)
        return Check("clock", Level.OK, f"it shows {utc_text(now_s)}, and is not behind the newest event")

    def _counts(self, host: Administration) -> Iterator[Check]:
        for group, classes in host.counts().items():
            for name, count in classes.items():
                seen = f"{group}, {name}: {count.current} of {count.threshold}"
                if count.current >= count.threshold:
                    yield Check("count", Level.OK, seen)
                    continue
                missing = count.threshold - count.current
                more = "1 more machine" if missing == 1 else f"{missing} more machines"
                fix = f"{more} must ask this host within the count window: `quorate host clients` lists who did."
                yield Check("count", Level.WARN, seen, CountInsufficientError.code, fix)

    def _forecast(self, host: Administration) -> Iterator[Check]:
        ahead = host.forecast(silent_rows=0)
        for warning in falling(ahead):
            yield failed("forecast", warning, Level.WARN)
        if not falling(ahead):
            seen = f"no count is going to fall below its threshold within {counted(ahead.days, 'day')}"
            yield Check("forecast", Level.OK, seen)

    def _last_event(self, host: Administration) -> Check:
        now_s = self._clock.now_s()
        asked = host.events(12290, limit=1)
        if not asked:
            fix = "On a client: `quorate doctor --role client`."
            return Check("events", Level.WARN, "no client has ever asked this host", None, fix)
        last = asked[-1]
        seen = f"the last client asked at {utc_text(last['time_s'])}: {last['machine']}"
        code = last["code"]
        if code is not None and code != CountInsufficientError.code:
            fix = "`quorate host events --id 12290` has its fields."
            return Check("events", Level.WARN, f"{seen}, and was answered {code}", code, fix)
        if now_s - last["time_s"] > QUIET_WARN_S:
            fix = "Clients renew within 7 days. On one of them: `quorate doctor --role client`."
            return Check("events", Level.WARN, f"{seen}; nobody since", None, fix)
        return Check("events", Level.OK, seen)


# --- helpers ---------------------------------------------------------------------------------------------------------


def _writable(store: Store) -> str:
    with store.database.writing():
        return "the database opens, and can be written"


def _uncovered(credentials: Credentials, groups: tuple[str, ...]) -> Iterator[Check]:
    for product in credentials.products:
        if product.group not in groups:
            error = ProductNotCoveredError(edition=product.product)
            seen = f"product {product.product} is here, and the certificate does not cover its group {product.group}"
            yield Check("certificate", Level.WARN, seen, error.code, error.hint)


def _own_address(running: Running | None, setting: str) -> str:
    """Where to reach this very host: loopback, unless it listens on one address only."""
    address = (running.address if running is not None else None) or setting
    return "127.0.0.1" if address in ("", "::", "0.0.0.0") else address  # noqa: S104  (recognized, not bound)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
