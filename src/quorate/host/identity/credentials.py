"""What a host answers with, as one snapshot: its key, its products, its certificate, what it believes; may it speak?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from quorate.core.documents import HOST_CERTIFICATE, HostCertificate, ProductFile, SigningKey
from quorate.core.revocation import check_not_revoked
from quorate.core.trust import Anchor, utc_text
from quorate.errors import (
    HostCertificateExpiredError,
    HostCertificateNotYetValidError,
    HostNotActivatedError,
    HostRevokedError,
    RetiredKeyError,
)
from quorate.host.identity.enrolment import Enrolment
from quorate.host.identity.publisher_trust import Belief

__all__ = ["Credentials"]

_TIME_MAX_S = 253_402_300_799  # the year 9999: whatever is revoked at all is revoked by then


@dataclass(frozen=True, repr=False)
class Credentials:
    """Replaced whole when a file changes.

    Attributes:
        belief: None only where nobody ever exchanges keys or revokes (`quorate.sim`).
        retired_kid: the publisher's key that signed the certificate, when that was dropped since.
        enrolment: what clients must prove to know; None: nothing.
    """

    host_id: str
    signing_key: SigningKey
    anchors: tuple[Anchor, ...]
    certificate: HostCertificate | None
    certificate_token: str | None
    belief: Belief | None = None
    retired_kid: str | None = None
    enrolment: Enrolment | None = None

    @cached_property
    def products(self) -> tuple[ProductFile, ...]:
        """The product files of this host."""
        return tuple(anchor.product for anchor in self.anchors)

    @property
    def revocations_number(self) -> int:
        """Of the newest revocation list, as every answer carries it; 0 without one."""
        return 0 if self.belief is None else self.belief.number

    @cached_property
    def _tolerance_s(self) -> int:
        return max((product.policy.clock_tolerance_s for product in self.products), default=0)

    @cached_property
    def _is_named(self) -> bool:
        """Whether the revocation list names this host at all: a long list is gone through once, not for each answer."""
        try:
            self._check_not_revoked(_TIME_MAX_S)
        except HostRevokedError:
            return True
        return False

    def _check_not_revoked(self, at_s: int) -> None:
        if self.certificate is not None and self.belief is not None:
            check_not_revoked(self.certificate, at_s, self.belief.revocations)

    def in_force(self, now_s: int) -> tuple[HostCertificate, str]:
        """The certificate and its token, good at `now_s`.

        Raises:
            HostNotActivatedError: there is none yet.
            HostRevokedError: the publisher does not believe this host any more.
            RetiredKeyError: the publisher has dropped the key that signed it: the same request gets it anew.
            HostCertificateExpiredError, HostCertificateNotYetValidError: it is not its time.
        """
        certificate, token = self.certificate, self.certificate_token
        if certificate is None or token is None:
            raise HostNotActivatedError
        if self._is_named:
            self._check_not_revoked(now_s)
        if self.retired_kid is not None:
            raise RetiredKeyError(what=HOST_CERTIFICATE.what, kid=self.retired_kid)
        if now_s >= certificate.expires_s:
            raise HostCertificateExpiredError(host_id=self.host_id, expired=utc_text(certificate.expires_s))
        if certificate.issued_s - now_s > self._tolerance_s:
            raise HostCertificateNotYetValidError(host_id=self.host_id, begins=utc_text(certificate.issued_s))
        return certificate, token
