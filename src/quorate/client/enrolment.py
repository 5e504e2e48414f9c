"""The enrolment secret that this machine was given, where its KMS host serves only clients that know it.

It is kept apart from the record, which every user may read: `enrolment.key` in the product's folder, readable by its
owner alone, or a file that the administrator named (`enrolment-file`).
"""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Final

from quorate.core.enrolment import EnrolmentSecret, enrolled
from quorate.core.filekinds import FileKind, as_utf8, kind_of
from quorate.core.messages import ActivationRequest
from quorate.errors import (
    EnrolmentSecretInvalidError,
    FileAccessError,
    FilePermissionsError,
    MalformedError,
    QuorateError,
)
from quorate.files import SECRET_MODE, access_fault, read_given, replace_file

__all__ = ["ClientEnrolment", "secret_from", "secret_in", "secret_of"]

FILE_BYTES_MAX: Final = 4096  # the secret and a few lines of explanation
_LOOSE: Final = 0o077


class ClientEnrolment:
    """What one installation proves to its host.

    Args:
        folder: the product's.
        file: the one that was named by setting; it comes before the folder's own.
    """

    def __init__(self, folder: Path, file: Path | None = None) -> None:
        self.path = folder / "enrolment.key"
        self._file = file

    def signed(self, request: ActivationRequest) -> ActivationRequest:
        """The request with its proof; unchanged where this machine has no secret.

        Raises:
            FileAccessError, FilePermissionsError, EnrolmentSecretInvalidError: it has one that cannot be used.
        """
        secret = self.secret()
        return request if secret is None else enrolled(request, secret.key)

    def secret(self) -> EnrolmentSecret | None:
        """The secret; None where there is none. Raises as `signed`."""
        if self._file is not None:
            return secret_in(self._file)
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise _access(self.path, fault) from None
        if sys.platform != "win32" and found.st_mode & _LOOSE:
            raise FilePermissionsError(path=self.path, mode=f"{stat.S_IMODE(found.st_mode):04o}", wanted="600")
        return secret_in(self.path)

    def keep(self, secret: EnrolmentSecret) -> None:
        """Prove this one from now on.

        Raises:
            FileAccessError: nothing was changed.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise access_fault(self.path, fault) from None
        replace_file(self.path, secret.text.encode("ascii") + b"\n", SECRET_MODE)

    def forget(self) -> None:
        """Prove nothing from now on; no error where there was nothing.

        Raises:
            FileAccessError: it is still there.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as fault:
            raise _access(self.path, fault) from None


def secret_from(given: str, typed: bytes | None = None) -> EnrolmentSecret:
    """The secret that a person gave: the secret itself, the name of a file that holds it, or what was `typed`.

    Raises:
        EnrolmentSecretInvalidError, FileAccessError
    """
    if typed is not None:
        return secret_of(typed)
    try:
        return EnrolmentSecret.parse(given)
    except EnrolmentSecretInvalidError as fault:
        # A name of a file has letters that no secret has, or another length; a mistyped secret is told as such.
        if given.strip().upper().startswith("QE") and not Path(given).exists():
            raise fault from None
    return secret_in(Path(given))


def secret_in(path: Path) -> EnrolmentSecret:
    """The secret in a file: its only line that is neither empty nor begins with `#`.

    Raises:
        EnrolmentSecretInvalidError, FileAccessError
    """
    try:
        return secret_of(read_given(path, 2 * FILE_BYTES_MAX))
    except MalformedError:
        raise EnrolmentSecretInvalidError(reason=f"the file has more than {FILE_BYTES_MAX} bytes") from None


def secret_of(data: bytes) -> EnrolmentSecret:
    """The secret in a file's bytes.

    Raises:
        EnrolmentSecretInvalidError
    """
    data, kind = as_utf8(data), kind_of(data)
    if len(data) > FILE_BYTES_MAX:
        raise EnrolmentSecretInvalidError(reason=f"the file has more than {FILE_BYTES_MAX} bytes")
    if kind is not None and kind is not FileKind.ENROLMENT:
        raise EnrolmentSecretInvalidError(reason=f"this is {kind.words}")
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    said = [line for line in lines if line and not line.startswith("#")]
    if len(said) != 1:
        raise EnrolmentSecretInvalidError(reason=f"the file has {len(said)} lines that say something, instead of one")
    return EnrolmentSecret.parse(said[0])


def _access(path: Path, fault: Exception) -> QuorateError:
    return FileAccessError(path=path, reason=getattr(fault, "strerror", None) or str(fault))
