"""What administration is served with: TLS wherever others reach it, and a renewed certificate without a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from quorate.clock import Clock
from quorate.errors import AdminNotEncryptedError, QuorateError
from quorate.host.https.certificate import (
    TlsFiles,
    TlsIdentity,
    load_tls,
    try_tls,
)
from quorate.host.settings.networks import is_loopback
from quorate.host.settings.settings import Settings

__all__ = ["AdminTls", "check_admin_settings", "tls_files", "tls_identity"]


def tls_files(settings: Settings) -> TlsFiles | None:
    """The files that are set; None while one of the two is missing."""
    if not settings.admin_tls_cert or not settings.admin_tls_key:
        return None
    return TlsFiles(Path(settings.admin_tls_cert), Path(settings.admin_tls_key))


def check_admin_settings(settings: Settings, now_s: int, changed: frozenset[str] | None = None) -> None:
    """That administration could be served so; before such settings are kept.

    Args:
        changed: the names of those that are new; None: all of them. Whoever goes back to loopback, or changes the
            port, must not be held up by files that are gone.

    Raises:
        AdminNotEncryptedError: others could reach it, and there is no TLS.
        TlsUnusableError, FilePermissionsError: the files are not usable by whoever asks.
    """
    new = frozenset({"admin-address", "admin-tls-cert", "admin-tls-key"}) if changed is None else changed
    is_opened = "admin-address" in new and not is_loopback(settings.admin_address)
    if is_opened or new & {"admin-tls-cert", "admin-tls-key"}:
        _identity(settings, now_s, is_new=True)


class AdminTls:
    """The running host's own: `start`, then `look` once a second. Both may take a second: not for the event loop.

    Args:
        on_fault: told why new settings or files are not used; once for each cause.
    """

    def __init__(self, clock: Clock, on_fault: Callable[[QuorateError], object]) -> None:
        self._clock = clock
        self._on_fault = on_fault
        self.seen: object = None
        """The `stamp` of what was looked at last, taken before it was."""
        self.identity: TlsIdentity | None = None
        """What is served; None: no TLS."""
        self.fault: QuorateError | None = None
        """Why what is set now is not what is served."""

    def start(self, settings: Settings) -> None:
        """Before it listens; raises as `check_admin_settings`, but for a certificate that has ended."""
        self.seen = _seen(settings)
        self.identity = _identity(settings, self._clock.now_s(), is_new=False)

    def stamp(self, settings: Settings) -> object:
        """Changes whenever `look` has something to look at."""
        return _seen(settings)

    def look(self, settings: Settings) -> bool:
        """Whether there is another identity, or none any more, and a listener has to be made anew."""
        seen = _seen(settings)
        if seen == self.seen:
            return False
        self.seen = seen
        before = self.identity
        try:
            self.identity = _identity(settings, self._clock.now_s(), is_new=False)
        except QuorateError as fault:  # a file being replaced, or settings that were good on another machine
            self.fault = fault
            self._on_fault(fault)
            return False
        self.fault = None
        return (before and before.fingerprint) != (self.identity and self.identity.fingerprint)

    def notice(self) -> str | None:
        """Words for `/readyz`: what is not used, or ends; None while all is well."""
        if self.fault is not None:
            return f"{self.fault.code}: {self.fault.message}"
        return None if self.identity is None else self.identity.ending(self._clock.now_s())


def _seen(settings: Settings) -> object:
    files = tls_files(settings)
    return settings.admin_address, files, None if files is None else files.stamp()


def tls_identity(settings: Settings, now_s: int, *, is_new: bool = False) -> TlsIdentity | None:
    """What these settings say, read and checked but not tried; None: no TLS.

    Raises:
        AdminNotEncryptedError: others could reach administration, and there is none.
        TlsUnusableError, FilePermissionsError
    """
    files = tls_files(settings)
    if files is None:
        if not is_loopback(settings.admin_address):
            raise AdminNotEncryptedError(address=settings.admin_address)
        return None
    return load_tls(files, now_s, is_new=is_new)


def _identity(settings: Settings, now_s: int, *, is_new: bool) -> TlsIdentity | None:
    identity = tls_identity(settings, now_s, is_new=is_new)
    if identity is not None:
        try_tls(identity)
    return identity
