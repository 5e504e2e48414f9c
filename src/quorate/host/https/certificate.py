"""The certificate and key that administration is served with, looked at before the server gets them.

The server's TLS library (rustls, in Granian) ends the whole process when it cannot use what it is given: a curve that
it does not know is enough. So what passes here is first served in a process of its own (`tls_trial`), and the server
gets the very bytes that were tried, in memory, not a file that may be another one by then.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from quorate.core.policy import DAY_S
from quorate.core.trust import utc_text
from quorate.errors import FilePermissionsError, TlsUnusableError

__all__ = ["TlsFiles", "TlsIdentity", "in_memory", "load_tls", "try_tls"]

FILE_BYTES_MAX: Final = 256 * 1024  # a chain of ten is 20 KiB
TRIAL_S: Final = 60.0  # half a second on a machine at rest
NO_HANDSHAKE: Final = 3  # the trial's exit code; killed by a signal means the same
_TRIAL = "import sys; sys.path[:] = sys.argv[1:]; from quorate.host.https.trial import main; main()"
ENDING_S: Final = 21 * DAY_S  # automatic renewal has happened by then, with 30 of 90 days left


@dataclass(frozen=True)
class TlsFiles:
    """Where the administrator keeps them, PEM; both may be in one file."""

    cert: Path
    key: Path

    def stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Changes whenever one of the files does."""
        return tuple(map(_stamp, (self.cert, self.key)))


@dataclass(frozen=True)
class TlsIdentity:
    """A pair that belongs together; `pem` is key and chain, `expires_s` the certificate's end."""

    files: TlsFiles
    pem: bytes = field(repr=False)
    expires_s: int
    fingerprint: str

    def ending(self, now_s: int) -> str | None:
        """Words for a certificate that has ended or ends within three weeks; None for one that does not."""
        if self.expires_s - now_s > ENDING_S:
            return None
        verb = "has ended" if now_s >= self.expires_s else "ends"
        return f"the certificate of administration {verb}: {utc_text(self.expires_s)} ({self.files.cert})"


def load_tls(files: TlsFiles, now_s: int, *, is_new: bool) -> TlsIdentity:
    """Read both files, and check that they are what they should be.

    Args:
        is_new: refuse what is not valid at `now_s`. A host that is started anew goes on with a certificate that ended,
            as callers are told by their own TLS, and its clients need it.

    Raises:
        TlsUnusableError: which file, and what about it.
        FilePermissionsError: everybody may read the key.
    """
    chain = _chain(files.cert)
    leaf = chain[0]
    key_pem = _read(files.key)
    if _stamp_mode(files.key) & 0o007:
        mode = f"{stat.S_IMODE(_stamp_mode(files.key)):04o}"
        raise FilePermissionsError(path=files.key, mode=mode, wanted="600")
    key = _key(files.key, key_pem)
    if _public(key) != _public(leaf):
        raise TlsUnusableError(path=files.key, reason=f"it is not the key of the certificate in {files.cert}")
    begins_s, ends_s = _seconds(leaf.not_valid_before_utc), _seconds(leaf.not_valid_after_utc)
    if is_new and now_s >= ends_s:
        raise TlsUnusableError(path=files.cert, reason=f"the certificate ended on {utc_text(ends_s)}")
    if is_new and now_s < begins_s:
        raise TlsUnusableError(path=files.cert, reason=f"the certificate begins on {utc_text(begins_s)}")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem += b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    return TlsIdentity(files, pem, ends_s, hashlib.sha256(pem).hexdigest())


def try_tls(identity: TlsIdentity, command: Sequence[str] = ()) -> None:
    """Serve it once, in a process of its own. Takes about half a second; not for an event loop.

    Args:
        command: for tests; otherwise this Python with `quorate.host.https.trial`.

    Raises:
        TlsUnusableError: the server would end with it.
    """
    trial = list(command) or [sys.executable, "-P", "-c", _TRIAL, *filter(None, sys.path)]
    cert = identity.files.cert
    try:
        done = subprocess.run(trial, input=identity.pem, capture_output=True, timeout=TRIAL_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise TlsUnusableError(path=cert, reason=f"no handshake within {TRIAL_S:.0f} s") from None
    except OSError as fault:
        reason = f"it cannot be tried: {fault.strerror or type(fault).__name__}"
        raise TlsUnusableError(path=cert, reason=reason) from None
    if done.returncode < 0 or done.returncode == NO_HANDSHAKE:
        reason = "the server's TLS takes RSA from 2048 bits, P-256, P-384 and Ed25519, in certificates of X.509 v3"
        raise TlsUnusableError(path=cert, reason=reason)
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise TlsUnusableError(path=cert, reason=f"it cannot be tried: {words[-1][:200]}")


def in_memory(pem: bytes) -> tuple[int, str]:
    """The bytes as a file that is on no disk: its descriptor, to be closed in the end, and the path to open it by.

    Raises:
        OSError: this system has no such files (it is not Linux).
    """
    if not hasattr(os, "memfd_create"):
        raise OSError("no files in memory on this system")
    descriptor = os.memfd_create("quorate-admin-tls", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(pem)
    return descriptor, f"/proc/self/fd/{descriptor}"


# --- inside ----------------------------------------------------------------------------------------------------------


def _chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError:
        raise TlsUnusableError(path=path, reason="it holds no certificate in PEM") from None


def _key(path: Path, pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError:
        raise TlsUnusableError(path=path, reason="the key is encrypted, and a service knows no passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise TlsUnusableError(path=path, reason="it holds no private key in PEM") from None


def _public(of: PrivateKeyTypes | x509.Certificate) -> bytes | None:
    try:
        return of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as fault:
        raise TlsUnusableError(path=path, reason=(fault.strerror or type(fault).__name__).lower()) from None
    if len(data) > FILE_BYTES_MAX:
        raise TlsUnusableError(path=path, reason=f"it is larger than {FILE_BYTES_MAX} bytes")
    return data


def _stamp(path: Path) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size
    return None


def _stamp_mode(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_mode
    return 0


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
