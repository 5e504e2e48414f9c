"""A host's enrolment secret: the file it is kept in, and what an administrator can do with it.

`enrolment.json`, readable by its owner alone, holds the secret, whether clients must know it, and the one before with
the time until which that is good too. It is one of the host's papers: a running host notices when it changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from quorate.core.enrolment import EnrolmentSecret, check_enrolment
from quorate.core.messages import ActivationRequest, TimeS, decode_strict, encode
from quorate.errors import EnrolmentMissingError, EnrolmentSecretInvalidError, MalformedError
from quorate.files import SECRET_MODE, read_secret, replace_file
from quorate.host.settings.paths import StatePaths

__all__ = ["GRACE_DAYS", "GRACE_DAYS_MAX", "Enrolment", "EnrolmentFile"]

GRACE_DAYS = 30  # the activation of a laptop that was away for a month does not fail for it
GRACE_DAYS_MAX = 366

_Text = Annotated[str, Meta(pattern=r"^QE[2-9A-Z]{3}(-[2-9A-Z]{5}){5}\Z")]


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    v: Literal[1] = 1
    required: bool
    secret: _Text
    since_s: TimeS
    previous: _Text | None = None
    previous_until_s: TimeS | None = None


@dataclass(frozen=True, repr=False)
class Enrolment:
    """What a host asks of its clients.

    Attributes:
        is_required: whether they must prove to know the secret.
        since_s: when the secret was made.
        previous, previous_until_s: the one before, and until when it is good as well.
    """

    is_required: bool
    secret: EnrolmentSecret
    since_s: int
    previous: EnrolmentSecret | None = None
    previous_until_s: int | None = None

    def check(self, request: ActivationRequest, now_s: int) -> None:
        """That this request may be answered.

        Raises:
            EnrolmentRequiredError, EnrolmentWrongError: it may not.
        """
        if not self.is_required:
            return
        check_enrolment(request, self._keys if self.is_previous_good(now_s) else self._keys[:1])

    def is_previous_good(self, now_s: int) -> bool:
        """Whether clients may still prove the secret before this one."""
        return self.previous is not None and self.previous_until_s is not None and now_s < self.previous_until_s

    @cached_property
    def _keys(self) -> tuple[bytes, ...]:
        """Made once: an answer then costs one hash over the request, or two."""
        return tuple(each.key for each in (self.secret, self.previous) if each is not None)


class EnrolmentFile:
    """The file of one host, and its changes; each replaces it whole."""

    def __init__(self, paths: StatePaths) -> None:
        self._path = paths.enrolment

    def read(self) -> Enrolment | None:
        """What is asked of clients; None where there never was a secret.

        Raises:
            FilePermissionsError, FileAccessError, MalformedError
        """
        if not self._path.exists():
            return None
        stored = decode_strict(_decoder, read_secret(self._path), str(self._path))
        try:
            secret = EnrolmentSecret.parse(stored.secret)
            previous = None if stored.previous is None else EnrolmentSecret.parse(stored.previous)
        except EnrolmentSecretInvalidError:
            raise MalformedError(what=str(self._path), reason="it is damaged") from None
        return Enrolment(stored.required, secret, stored.since_s, previous, stored.previous_until_s)

    def require(self, new: EnrolmentSecret, now_s: int, *, is_given: bool) -> Enrolment:
        """Serve only enrolled clients from now on, with the secret that is there, else with the new one.

        Args:
            is_given: take the new one in any case, as when several hosts are to have the same.
        """
        known = self.read()
        if known is not None and not is_given:
            return self._write(_with(known, is_required=True))
        return self._write(Enrolment(True, new, now_s))

    def release(self) -> Enrolment:
        """Serve every client again; the secret stays for the next time.

        Raises:
            EnrolmentMissingError: there is none.
        """
        return self._write(_with(self._known(), is_required=False))

    def rotate(self, new: EnrolmentSecret, now_s: int, grace_s: int) -> Enrolment:
        """Another secret; the one until now is good as well for `grace_s` more seconds. One still older is not.

        Raises:
            EnrolmentMissingError: there is none yet.
        """
        known = self._known()
        if grace_s == 0:
            return self._write(Enrolment(known.is_required, new, now_s))
        return self._write(Enrolment(known.is_required, new, now_s, known.secret, now_s + grace_s))

    def _known(self) -> Enrolment:
        known = self.read()
        if known is None:
            raise EnrolmentMissingError
        return known

    def _write(self, enrolment: Enrolment) -> Enrolment:
        previous = enrolment.previous
        stored = _Stored(
            required=enrolment.is_required,
            secret=enrolment.secret.text,
            since_s=enrolment.since_s,
            previous=None if previous is None else previous.text,
            previous_until_s=enrolment.previous_until_s,
        )
        replace_file(self._path, encode(stored) + b"\n", SECRET_MODE)
        return enrolment


_decoder = msgspec.json.Decoder(_Stored)


def _with(known: Enrolment, *, is_required: bool) -> Enrolment:
    return Enrolment(is_required, known.secret, known.since_s, known.previous, known.previous_until_s)
