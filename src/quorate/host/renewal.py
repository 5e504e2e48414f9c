"""How a host keeps its papers good: what is wrong or about to be, and what is asked of the publisher about it.

Online the publisher's keys and its revocation list are taken every day, and the certificate is renewed from sixty days
before its end, or as soon as the key that signed it is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quorate.core.documents import HostCertificate
from quorate.core.policy import DAY_S
from quorate.core.publication import HostActivation
from quorate.core.spans import whole_days
from quorate.core.trust import utc_text
from quorate.errors import HostCertificateEndingError, QuorateError
from quorate.host.credentials import Credentials
from quorate.host.keyring import HostKeyring
from quorate.host.publisher_link import PublisherLink

__all__ = ["AHEAD_S", "Refreshed", "ending", "refresh", "standing", "take_activation"]

AHEAD_S: Final = 60 * DAY_S
JUST_RENEWED_S: Final = 30 * DAY_S  # a newer one that ends as soon is all the publisher gives: it is not asked again


@dataclass(frozen=True)
class Refreshed:
    """What was new: the version of the publisher's keys, the number of its list, a certificate; None where nothing."""

    version: int | None
    number: int | None
    certificate: HostCertificate | None

    def words(self) -> str | None:
        """For an event, or None when nothing was new."""
        said = [
            None if self.version is None else f"the publisher's keys are at version {self.version}",
            None if self.number is None else f"revocation list {self.number}",
            None if self.certificate is None else f"certificate until {utc_text(self.certificate.expires_s)}",
        ]
        return ", ".join(each for each in said if each is not None) or None


def standing(credentials: Credentials, now_s: int) -> QuorateError | None:
    """Why this host may not speak, or will not much longer; None while all is well."""
    try:
        credentials.in_force(now_s)
    except QuorateError as fault:
        return fault
    return ending(credentials, now_s)


def ending(credentials: Credentials, now_s: int) -> HostCertificateEndingError | None:
    """That the certificate ends within sixty days, with the day; None otherwise, also when it has ended."""
    certificate = credentials.certificate
    if certificate is None or not 0 < certificate.expires_s - now_s <= AHEAD_S:
        return None
    return HostCertificateEndingError(
        expires=utc_text(certificate.expires_s), days=whole_days(certificate.expires_s - now_s)
    )


def take_activation(keyring: HostKeyring, activation: HostActivation) -> HostCertificate:
    """The certificate in a publisher's answer, after every check; keys and list are taken first, as they judge it.

    Raises:
        MalformedError, TrustError: as `HostKeyring.take_belief` and `activate`.
    """
    keyring.take_belief(activation.trust, activation.revocations)
    return keyring.activate(activation.host_certificate)


def refresh(keyring: HostKeyring, link: PublisherLink, now_s: int, machine: str) -> Refreshed:
    """Ask the publisher for what is new.

    Raises:
        PublisherUnreachableError, QuorateError: as `PublisherLink`; what came before it is kept.
        HostKeyMissingError: the certificate should be renewed, and the host key is not here.
    """
    taken = keyring.take_belief(link.trust(), link.revocations())
    credentials = keyring.credentials()
    request = _request_for(keyring, credentials, now_s, machine)
    certificate = None if request is None else take_activation(keyring, link.activate(request))
    return Refreshed(taken.version, taken.number, certificate)


def _request_for(keyring: HostKeyring, credentials: Credentials, now_s: int, machine: str) -> str | None:
    certificate = credentials.certificate
    if certificate is None:  # the first activation is somebody's decision
        return None
    if credentials.retired_kid is not None:
        return keyring.answered_request() or keyring.request_to_send(machine)
    is_ending = certificate.expires_s - now_s <= AHEAD_S and now_s - certificate.issued_s > JUST_RENEWED_S
    return keyring.request_to_send(machine) if is_ending else None
