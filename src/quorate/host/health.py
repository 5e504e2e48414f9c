"""Is this host well? Named checks with reasons; each of them can fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from quorate.clock import Clock
from quorate.errors import QuorateError
from quorate.host.beside import Beside
from quorate.host.config import Limits
from quorate.host.renewal import ending
from quorate.host.service import ActivationService
from quorate.host.views import DnsView
from quorate.host.writer import AnswerWriter

__all__ = ["Check", "Health"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check of `/readyz`. One that is not `required` warns, and leaves the host ready."""

    name: str
    ok: bool
    reason: str
    required: bool = True


class Health:
    """Looks at the parts of a running host."""

    def __init__(
        self,
        service: ActivationService,
        writer: AnswerWriter,
        clock: Clock,
        limits: Limits,
        state_dir: Path,
        is_listening: Callable[[], bool],
        dns: Callable[[], DnsView],
        falling: Callable[[], str | None],
        configuration: Callable[[], QuorateError | None] = lambda: None,
        beside: Callable[[], Beside | None] = lambda: None,
        admin_tls: Callable[[], str | None] = lambda: None,
        log_fault: Callable[[], str | None] = lambda: None,
        clock_fault: Callable[[], str | None] = lambda: None,
        inventory_fault: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._inventory_fault = inventory_fault
        self._clock_fault = clock_fault
        self._log_fault = log_fault
        self._beside = beside
        self._service = service
        self._writer = writer
        self._clock = clock
        self._limits = limits
        self._state_dir = state_dir
        self._is_listening = is_listening
        self._dns = dns
        self._falling = falling
        self._configuration = configuration
        self._admin_tls = admin_tls

    def is_alive(self) -> bool:
        """Whether the host can work at all; when not, only a restart helps."""
        return self._writer.is_alive

    def checks(self) -> list[Check]:
        """Whether clients get answers now. From any thread."""
        return [
            self._certificate(),
            self._ending(),
            self._checked("listening", self._is_listening(), "the clients' port is not served"),
            self._checked("writer", self._writer.is_alive, "the writing thread has ended"),
            self._store(),
            self._queue(),
            self._disk(),
            self._published(),
            self._exported(),
            self._log(),
            self._time(),
            self._inventory(),
            self._forecast(),
            self._configured(),
            self._administered(),
        ]

    def _certificate(self) -> Check:
        try:
            self._service.credentials.in_force(self._clock.now_s())
        except QuorateError as fault:
            return Check(name="activated", ok=False, reason=f"{fault.code}: {fault.message}")
        return Check(name="activated", ok=True, reason="the host certificate is in force")

    def _ending(self) -> Check:
        """Told sixty days ahead; the host stays ready until the certificate has really ended."""
        fault = ending(self._service.credentials, self._clock.now_s())
        reason = "it ends in more than sixty days, or has ended" if fault is None else f"{fault.code}: {fault.message}"
        return Check(name="certificate", ok=fault is None, reason=reason, required=False)

    def _store(self) -> Check:
        fault = self._writer.fault
        return Check(
            name="store", ok=fault is None, reason="the last write went well" if fault is None else fault.message
        )

    def _queue(self) -> Check:
        waiting, most = self._writer.waiting, self._limits.waiting_max
        return Check(name="queue", ok=waiting < most, reason=f"{waiting} of {most} places taken")

    def _disk(self) -> Check:
        try:
            free = shutil.disk_usage(self._state_dir).free
        except OSError as fault:
            return Check(name="disk", ok=False, reason=fault.strerror or type(fault).__name__)
        needed = self._limits.disk_free_min
        return Check(name="disk", ok=free >= needed, reason=f"{free >> 20} MiB free, at least {needed >> 20} needed")

    def _published(self) -> Check:
        """Clients with an explicit or cached host need no DNS, so this is never a reason to take the host away."""
        try:
            dns = self._dns()
        except QuorateError as fault:
            return Check(name="dns", ok=False, reason=fault.message, required=False)
        if not dns.publishing:
            return Check(name="dns", ok=True, reason="publishing is off", required=False)
        beside = self._beside()
        failed = [f"{each.domain}: {each.code}: {each.message}" for each in dns.domains if each.code is not None]
        failed += [] if beside is None or beside.publication_fault is None else [beside.publication_fault]
        done = ", ".join(each.domain for each in dns.domains if each.result == "published")
        reason = "; ".join(failed) or (f"published in {done}" if done else "not tried yet")
        return Check(name="dns", ok=not failed, reason=reason, required=False)

    def _exported(self) -> Check:
        """The log keeps what could not be handed on: no reason to take the host away."""
        beside = self._beside()
        faults = [] if beside is None else beside.export.faults()
        reason = "; ".join(faults) or "every target that is set takes the events"
        return Check(name="export", ok=not faults, reason=reason, required=False)

    def _log(self) -> Check:
        """What the host notices by itself; `quorate host events verify` looks at all of it."""
        fault = self._log_fault()
        return Check(name="events", ok=fault is None, reason=fault or "no event was cut off the end", required=False)

    def _time(self) -> Check:
        """Clients with a right clock are told of a wrong one by themselves (CLOCK_SKEW): no reason to be taken away."""
        fault = self._clock_fault()
        return Check(name="clock", ok=fault is None, reason=fault or "the clock is confirmed", required=False)

    def _inventory(self) -> Check:
        """Machines that are known go on being answered."""
        fault = self._inventory_fault()
        return Check(name="inventory", ok=fault is None, reason=fault or "there is room", required=False)

    def _forecast(self) -> Check:
        """Told weeks ahead: a count that will fall is no reason to take the host away, least of all before it falls."""
        try:
            falling = self._falling()
        except QuorateError as fault:
            return Check(name="forecast", ok=False, reason=fault.message, required=False)
        return Check(name="forecast", ok=falling is None, reason=falling or "no count is going to fall", required=False)

    def _configured(self) -> Check:
        """A file with a mistake that came with a reload: the host goes on with what it had read before."""
        fault = self._configuration()
        reason = "as it was read last" if fault is None else f"{fault.message}; what was read before stays in use"
        return Check(name="configuration", ok=fault is None, reason=reason, required=False)

    def _administered(self) -> Check:
        """Clients ask at another port: whatever becomes of administration's certificate, they are served."""
        notice = self._admin_tls()
        return Check(name="admin-tls", ok=notice is None, reason=notice or "served as it is set", required=False)

    @staticmethod
    def _checked(name: str, is_ok: bool, reason: str) -> Check:
        return Check(name=name, ok=is_ok, reason="yes" if is_ok else reason)
