"""The files of a KMS host's state folder, and where that folder is."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["StatePaths", "machine_name", "state_dir"]


def state_dir(given: Path | None, environ: Mapping[str, str], user_id: int) -> Path:
    """The host's folder: what was given, else `QUORATE_STATE_DIR`, else the platform's place.

    Args:
        user_id: the numeric user id; 0 (root, a service) has `/var/lib/quorate/host`.
    """
    if given is not None:
        return given
    if environ.get("QUORATE_STATE_DIR"):
        return Path(environ["QUORATE_STATE_DIR"])
    if user_id == 0:
        return Path("/var/lib/quorate/host")
    data_home = Path(environ.get("XDG_DATA_HOME", ""))
    if not data_home.is_absolute():  # its specification has relative ones ignored
        data_home = Path(environ.get("HOME") or Path.home()) / ".local" / "share"
    return data_home / "quorate" / "host"


@dataclass(frozen=True)
class StatePaths:
    """Every file of one host."""

    root: Path

    @property
    def identity(self) -> Path:
        """Host id. Written last by `init`: where it is, there is a host."""
        return self.root / "host.json"

    @property
    def signing_key(self) -> Path:
        return self.root / "host.key"

    @property
    def trust(self) -> Path:
        return self.root / "publisher.jwks"

    @property
    def chain(self) -> Path:
        """Every exchange of the publisher's keys since `trust`."""
        return self.root / "publisher.trust"

    @property
    def revocations(self) -> Path:
        return self.root / "publisher.revocations"

    @property
    def products(self) -> Path:
        return self.root / "products"

    @property
    def product_key(self) -> Path:
        return self.root / "product.key"

    @property
    def requests(self) -> Path:
        return self.root / "requests"

    @property
    def answered(self) -> Path:
        """The request that the certificate answers: the same one again gets the certificate under a newer key."""
        return self.root / "host.req"

    @property
    def certificate(self) -> Path:
        return self.root / "host.cert"

    @property
    def token(self) -> Path:
        return self.root / "admin.token"

    @property
    def enrolment(self) -> Path:
        """The secret that clients must know, where the administrator made one."""
        return self.root / "enrolment.json"

    @property
    def tokens(self) -> Path:
        """The named tokens of administration over the network, hashed."""
        return self.root / "admin.tokens"

    @property
    def database(self) -> Path:
        return self.root / "host.db"

    @property
    def lock(self) -> Path:
        return self.root / "host.lock"

    @property
    def running(self) -> Path:
        """What a running host tells of itself, for commands; only as good as the lock is held."""
        return self.root / "host.running"


def machine_name() -> str:
    """What this machine calls itself, without characters that a host request may not hold."""
    name = "".join(c for c in socket.gethostname() if c.isprintable())[:253]
    return name or "unnamed"
