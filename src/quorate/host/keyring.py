"""A host's identity and papers: its signing key, the products it serves, its product key, its certificate.

The road from nothing to an activated host (S1): `init` makes the identity and takes the first product file, checked
against the publisher's keys; `install-key` takes the host key; `request` writes the file that goes to the publisher;
`activate` takes the certificate that comes back. Every file is replaced whole, so a crash in between loses nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from quorate.clock import Clock, Entropy
from quorate.core.documents import (
    HOST_CERTIFICATE,
    HOST_REQUEST,
    PRODUCT,
    HostCertificate,
    HostRequest,
    ProductFile,
    SigningKey,
    read,
    read_host_request,
    sign,
    typ_of,
)
from quorate.core.filekinds import as_utf8
from quorate.core.ids import HostId, ProductKey, b64url, key_proof, unb64url
from quorate.core.messages import decode_strict, encode
from quorate.core.policy import DAY_S
from quorate.core.revocation import check_not_revoked
from quorate.core.succession import TrustState, read_issued
from quorate.core.trust import Anchor, check_certificate, utc_text
from quorate.errors import (
    HostKeyMissingError,
    MalformedError,
    ProductConflictError,
    ProductNotCoveredError,
    RetiredKeyError,
    StateExistsError,
    StateMissingError,
    TrustError,
    WrongConfirmationError,
)
from quorate.files import SECRET_MODE, check_private, make_private_folder, read_bounded, read_secret, replace_file
from quorate.host.belief import Belief, BeliefFiles, TakenBelief
from quorate.host.config import StatePaths
from quorate.host.credentials import Credentials
from quorate.host.enrolment import EnrolmentFile

__all__ = ["Credentials", "HostKeyring"]

PENDING_MAX = 16  # request files that still wait for their confirmation; the oldest goes
PRODUCTS_MAX = 256
PENDING_AGAIN_S = 7 * DAY_S  # so long a request that got no answer is sent again, instead of a new one


class _Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host_id: HostId
    made_s: int


class _PrivateJwk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kty: str
    crv: str
    x: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
    d: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


class HostKeyring:
    """The files of one host that are not its database.

    Raises (on opening):
        StateMissingError: there is no host in that folder.
        FilePermissionsError: others may enter it.
    """

    def __init__(self, paths: StatePaths, clock: Clock, entropy: Entropy) -> None:
        if not paths.identity.is_file():
            command = "quorate host init --product FILE.product --trust publisher.jwks"
            raise StateMissingError(role="KMS host", path=paths.root, command=command)
        check_private(paths.root)
        self.paths = paths
        self._clock = clock
        self._entropy = entropy
        self._belief = BeliefFiles(paths)
        self.enrolment = EnrolmentFile(paths)
        data = read_bounded(paths.identity, 1024)
        self.host_id = decode_strict(msgspec.json.Decoder(_Identity), data, str(paths.identity)).host_id

    @classmethod
    def create(cls, paths: StatePaths, product_token: str, jwks: bytes, clock: Clock, entropy: Entropy) -> HostKeyring:
        """A new host's identity, its first product file, and the token of its administration.

        Raises:
            StateExistsError: there is a host in that folder already; nothing was changed.
            MalformedError, UnknownPublisherError, BadSignatureError: the product file is not that publisher's.
        """
        if paths.identity.exists():
            raise StateExistsError(role="KMS host", path=paths.root)
        product = Anchor.load(product_token, jwks).product
        TrustState.shipped(jwks)
        make_private_folder(paths.root)
        make_private_folder(paths.products, is_inner=True)
        make_private_folder(paths.requests, is_inner=True)
        key = SigningKey.from_seed(entropy.token(32))
        private = _PrivateJwk("OKP", "Ed25519", key.public().x, b64url(key.seed))
        replace_file(paths.signing_key, encode(private) + b"\n", SECRET_MODE)
        replace_file(paths.token, b64url(entropy.token(32)).encode("ascii") + b"\n", SECRET_MODE)
        replace_file(paths.trust, jwks)
        replace_file(paths.products / f"{product.product}.product", _line(product_token))
        host_id = str(uuid.UUID(bytes=entropy.token(16), version=4))
        replace_file(paths.identity, encode(_Identity(host_id, clock.now_s())) + b"\n")
        return cls(paths, clock, entropy)

    # --- reading -----------------------------------------------------------------------------------------------

    def signing_key(self) -> SigningKey:
        """The host's own key.

        Raises:
            FilePermissionsError, FileAccessError, MalformedError
        """
        path = self.paths.signing_key
        stored = decode_strict(msgspec.json.Decoder(_PrivateJwk), read_secret(path), str(path))
        try:
            key = SigningKey.from_seed(unb64url(stored.d))
        except ValueError:
            raise MalformedError(what=str(path), reason="it is damaged") from None
        if key.public().x != stored.x:
            raise MalformedError(what=str(path), reason="its two halves do not belong together")
        return key

    def anchors(self) -> tuple[Anchor, ...]:
        """Every product file with the publisher's newest keys, each verified as it is read.

        Raises:
            MalformedError, TrustError, FileAccessError: one of them is not good; its file is named.
        """
        return self._anchors(self.belief())

    def belief(self) -> Belief:
        """The publisher's keys and its revocation list, as they are known here.

        Raises:
            MalformedError, TrustError, FileAccessError: their files were damaged or exchanged.
        """
        return self._belief.read()

    def credentials(self) -> Credentials:
        """All that is needed to answer. A certificate that ended is still read: `in_force` judges it.

        Raises:
            MalformedError, TrustError, FileAccessError, FilePermissionsError
        """
        belief = self.belief()
        anchors = self._anchors(belief)
        token = self._certificate_token()
        certificate, retired_kid = None, None
        if token is not None:
            try:
                certificate = self._certificate_for_us(token, belief, at_s=None)
            except RetiredKeyError as fault:
                retired_kid = str(fault.values["kid"])
                certificate = read(HOST_CERTIFICATE, token, belief.trust.for_memory())
        return Credentials(
            self.host_id, self.signing_key(), anchors, certificate, token, belief, retired_kid, self.enrolment.read()
        )

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Changes whenever a file behind `credentials` does: for a running host to look at."""
        paths = self.paths
        files = [paths.certificate, paths.trust, paths.chain, paths.revocations, paths.enrolment]
        files += sorted(paths.products.glob("*.product"))
        stamps = []
        for path in files:
            try:
                found = path.stat()
            except OSError:
                continue
            stamps.append((path.name, found.st_mtime_ns, found.st_ino))
        return tuple(stamps)

    def product_key(self) -> ProductKey | None:
        """The installed host key, or None."""
        if not self.paths.product_key.exists():
            return None
        return ProductKey.parse(_token(read_secret(self.paths.product_key), str(self.paths.product_key)))

    def admin_token(self) -> str:
        """What administration over HTTP asks for.

        Raises:
            FilePermissionsError, FileAccessError
        """
        return _token(read_secret(self.paths.token), str(self.paths.token))

    # --- the road to activation --------------------------------------------------------------------------------

    def add_product(self, product_token: str) -> ProductFile:
        """Take one more product file of the same publisher, or a newer one of a product already here.

        It stays anchored in the keys it shipped with, so any that the publisher ever signed products with is good.

        Raises:
            MalformedError, TrustError: not this publisher's product file.
            ProductConflictError: older than the one here, or with an edition id that another product has.
        """
        belief = self.belief()
        product = read(PRODUCT, product_token.strip(), belief.trust.for_memory())
        for known in (anchor.product for anchor in self._anchors(belief)):
            if known.product == product.product:
                if known.issued_s > product.issued_s:
                    raise ProductConflictError(
                        product=product.product, reason=f"a newer one, of {utc_text(known.issued_s)}, is already here"
                    )
                continue
            both = {edition.id for edition in known.editions} & {edition.id for edition in product.editions}
            if both:
                raise ProductConflictError(
                    product=product.product, reason=f"{known.product} already has edition {sorted(both)[0]}"
                )
        replace_file(self.paths.products / f"{product.product}.product", _line(product_token))
        return product

    def install_key(self, typed: str) -> ProductKey:
        """Keep the host key for the coming request; a former key is replaced, as `slmgr /ipk` does.

        Raises:
            ProductKeyInvalidError: with what is wrong about it.
        """
        key = ProductKey.parse(typed)
        replace_file(self.paths.product_key, key.text.encode("ascii") + b"\n", SECRET_MODE)
        return key

    def make_request(self, machine: str) -> str:
        """The signed request for the publisher. It is remembered until its confirmation comes.

        Raises:
            HostKeyMissingError: no host key is installed.
        """
        product_key = self.product_key()
        if product_key is None:
            raise HostKeyMissingError
        key = self.signing_key()
        request_id = b64url(self._entropy.token(16))
        request = HostRequest(
            issued_s=self._clock.now_s(),
            host_id=self.host_id,
            request_id=request_id,
            machine=machine,
            jwk=key.public(),
            key_id=product_key.key_id,
            key_proof=key_proof(product_key.verifier, self.host_id, key.kid, request_id),
            last_five=product_key.last_five,
        )
        token = sign(HOST_REQUEST, request, key)
        make_private_folder(self.paths.requests, is_inner=True)
        replace_file(self.paths.requests / f"{request_id}.req", _line(token))
        pending = sorted(self.paths.requests.glob("*.req"), key=lambda path: path.stat().st_mtime_ns)
        for old in pending[:-PENDING_MAX]:
            old.unlink(missing_ok=True)
        return token

    def request_to_send(self, machine: str) -> str:
        """The request for a publisher that is asked online: the last one again while it waits for its answer, as the
        same one uses nothing up, else a new one.

        Raises:
            HostKeyMissingError: no host key is installed.
        """
        product_key = self.product_key()
        pending = list(self.paths.requests.glob("*.req")) if product_key is not None else []
        for path in sorted(pending, key=lambda path: path.stat().st_mtime_ns, reverse=True)[:1]:
            token = _token(read_bounded(path, HOST_REQUEST.bytes_max + 1), str(path))
            asked = read_host_request(token)
            is_recent = 0 <= self._clock.now_s() - asked.issued_s < PENDING_AGAIN_S
            if product_key is not None and asked.key_id == product_key.key_id and is_recent:
                return token
        return self.make_request(machine)

    def answered_request(self) -> str | None:
        """The request that the certificate answers, or None where it is not kept."""
        path = self.paths.answered
        return _token(read_bounded(path, HOST_REQUEST.bytes_max + 1), str(path)) if path.exists() else None

    def take_belief(self, chain: Sequence[str] | None, revocations: str | None) -> TakenBelief:
        """As `BeliefFiles.take`."""
        return self._belief.take(chain, revocations)

    def activate(self, confirmation: str) -> HostCertificate:
        """Take the publisher's certificate. The one that is already here is taken again without complaint, also where
        a newer key of the publisher's has signed it.

        Raises:
            MalformedError: another kind of file; which one is said.
            WrongConfirmationError: for another host, another key, or a request that is not pending here.
            HostRevokedError: the publisher does not believe this host any more.
            TrustError: not this publisher's, out of its time, or for products that are not here.
        """
        token, now_s, belief = confirmation.strip(), self._clock.now_s(), self.belief()
        certificate = self._certificate_for_us(token, belief, at_s=now_s)
        held_token = self._certificate_token()
        if token == held_token:
            return certificate
        pending = self.paths.requests / f"{certificate.request_id}.req"
        if not pending.is_file() and not _is_same(certificate, held_token, belief):
            raise WrongConfirmationError(reason="no request made here waits for it")
        check_not_revoked(certificate, now_s, belief.revocations)
        replace_file(self.paths.certificate, _line(token))
        if pending.is_file():
            replace_file(self.paths.answered, read_bounded(pending, HOST_REQUEST.bytes_max + 1))
            pending.unlink(missing_ok=True)
        return certificate

    def _anchors(self, belief: Belief) -> tuple[Anchor, ...]:
        keys, ever = belief.trust.for_issuing(), belief.trust.for_memory()
        files = sorted(self.paths.products.glob("*.product"))[:PRODUCTS_MAX]
        tokens = [_token(read_bounded(path, PRODUCT.bytes_max + 1), str(path)) for path in files]
        return tuple(Anchor(keys, read(PRODUCT, token, ever), belief.trust) for token in tokens)

    def _certificate_token(self) -> str | None:
        path = self.paths.certificate
        return _token(read_bounded(path, HOST_CERTIFICATE.bytes_max + 1), str(path)) if path.exists() else None

    def _certificate_for_us(self, token: str, belief: Belief, at_s: int | None) -> HostCertificate:
        """The certificate, verified, for this host and its key; in force at `at_s` if that is given."""
        if typ_of(token) == HOST_REQUEST.typ:
            raise MalformedError(
                what="the confirmation",
                reason="this is the request itself; the publisher answers it with a certificate",
            )
        anchors = self._anchors(belief)
        if not anchors:
            raise ProductNotCoveredError(edition="(no product file is here)")
        claims = read_issued(HOST_CERTIFICATE, token, belief.trust)
        # At its own beginning it is in its time.
        certificate = _covering(token, anchors, claims.issued_s if at_s is None else at_s)
        if certificate.host_id != self.host_id:
            raise WrongConfirmationError(reason=f"it names host {certificate.host_id}, this is {self.host_id}")
        if certificate.jwk.x != self.signing_key().public().x:
            raise WrongConfirmationError(reason="it is for another signing key than this host's")
        return certificate


def _is_same(certificate: HostCertificate, held_token: str | None, belief: Belief) -> bool:
    """Whether both are one certificate, signed by two keys."""
    if held_token is None:
        return False
    try:
        return read(HOST_CERTIFICATE, held_token, belief.trust.for_memory()) == certificate
    except (MalformedError, TrustError):
        return False


def _covering(token: str, anchors: tuple[Anchor, ...], at_s: int) -> HostCertificate:
    """The certificate, checked against each product until one is covered.

    Raises:
        MalformedError, TrustError, ProductNotCoveredError: the last when no product here is covered.
    """
    for anchor in anchors[:-1]:
        try:
            return check_certificate(token, anchor, at_s)
        except ProductNotCoveredError:
            continue
    return check_certificate(token, anchors[-1], at_s)


def _line(token: str) -> bytes:
    return token.strip().encode("utf-8") + b"\n"


def _token(data: bytes, what: str) -> str:
    try:
        return as_utf8(data).decode("ascii").strip()
    except UnicodeDecodeError:
        raise MalformedError(what=what, reason="it is not text") from None
