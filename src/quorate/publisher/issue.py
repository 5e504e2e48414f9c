"""The publisher at work: signs products, issues host keys, confirms hosts, revokes them, exchanges its keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from quorate.clock import Clock, Entropy
from quorate.core.documents import (
    HOST_CERTIFICATE,
    PRODUCT,
    DocumentKind,
    HostCertificate,
    HostRequest,
    read,
    read_host_request,
    sign,
)
from quorate.core.ids import ProductKey, b64url, text_flaw
from quorate.core.policy import DAY_S
from quorate.core.revocation import REVOCATIONS, RevocationList, Revoked, read_held
from quorate.errors import (
    InvalidSettingError,
    InvalidSourceError,
    MalformedError,
    NotKnownError,
    StateExistsError,
    TrustError,
    UnknownPublisherError,
)
from quorate.files import make_private_folder, read_bounded, replace_file
from quorate.publisher.blocklist import Kind, Outcome
from quorate.publisher.book import Book
from quorate.publisher.ledger import ACTIVATIONS_DEFAULT, HOSTS_DEFAULT, HostKey, Ledger
from quorate.publisher.product import parse_source
from quorate.publisher.rotation import RootKey, Rotation, Step, exchange
from quorate.publisher.shelf import groups_below, known_groups
from quorate.publisher.vault import Vault, create_vault, open_vault, require_absent, require_present

__all__ = ["CERTIFICATE_S", "Book", "Publisher"]

CERTIFICATE_S: Final = 730 * DAY_S  # two years: a host renews long before (architecture decision)
HOSTS_MAX: Final = 100_000
ACTIVATIONS_MAX: Final = 10_000
GROUPS_MAX: Final = 64  # as core.documents.HostCertificate has it
NAME_MAX: Final = 200
TIME_MAX_S: Final = 253_370_764_800  # the end of the year 9998; calendars end a year later

_Claims = TypeVar("_Claims", bound=msgspec.Struct)


class Publisher(Book):
    """A publisher with its vault open. Made by `create` or `open`."""

    def __init__(self, state_dir: Path, vault: Vault, clock: Clock, entropy: Entropy) -> None:
        super().__init__(state_dir)
        self._vault = vault
        self._clock = clock
        self._entropy = entropy

    @classmethod
    def create(
        cls,
        state_dir: Path,
        name: str,
        passphrase: str,
        clock: Clock,
        entropy: Entropy,
        *,
        root_passphrase: str | None = None,
    ) -> Publisher:
        """A new publisher: signing key, public keys, empty ledger.

        Args:
            state_dir: made with mode 0700 if it is not there.
            name: stands in every document that is signed; 1 to 200 characters.
            passphrase: encrypts the signing key; there is no way back without it.
            clock, entropy: where time and keys come from.
            root_passphrase: make a root key too (`publisher-root.key`, encrypted with this), which alone can exchange
                the signing key, and can be kept elsewhere.

        Raises:
            StateExistsError: a publisher, or the ledger of one, is there already; nothing was changed.
            InvalidSettingError: the name is empty, too long, or has control characters.
            PassphraseMissingError: the passphrase is empty.
            FilePermissionsError, FileAccessError: the folder is open to others, or cannot be written.
        """
        _check_name("--name", name)
        require_absent(state_dir)
        make_private_folder(state_dir)
        # The signing key comes last but for its public half, which can be made again: an interrupted `create` can be
        # repeated, and of two at the same time one wins.
        ledger = Ledger.create(state_dir / "ledger.db")
        if ledger.totals().host_keys:
            raise StateExistsError(role="publisher's ledger", path=state_dir)
        with ledger.alone():
            vault = create_vault(state_dir, name, passphrase, entropy, root_passphrase)
        return cls(state_dir, vault, clock, entropy)

    @classmethod
    def open(cls, state_dir: Path, passphrase: str, clock: Clock, entropy: Entropy) -> Publisher:
        """The publisher that is there.

        Raises:
            StateMissingError: there is none.
            PassphraseError: wrong or empty passphrase.
            FilePermissionsError: its folder, key or ledger is open to others.
            MalformedError, SchemaNewerError, FileAccessError: a file is damaged, too new, or missing.
        """
        require_present(state_dir)
        with Ledger.open(state_dir / "ledger.db").alone():  # nobody exchanges the keys meanwhile
            vault = open_vault(state_dir, passphrase)
        publisher = cls(state_dir, vault, clock, entropy)
        publisher._settle()
        return publisher

    @property
    def name(self) -> str:
        """Who signs."""
        return self._vault.name

    def add_product(self, source: Path) -> Path:
        """Sign the product that a `product.toml` describes; it takes the place of an earlier one of the same id.

        Raises:
            InvalidSourceError: the source does not say what it must, or has an edition id of another product.
            FileAccessError: it cannot be read, or the signed file cannot be written.
        """
        product = parse_source(source, self.name, self._clock.now_s())
        self.shelf.check_editions_free(product, source)
        try:
            token = self._seal(PRODUCT, product)
        except MalformedError as fault:
            fix = "Shorten names, or make two products of it."
            raise InvalidSourceError(path=source, reason=f"the signed product is too large: {fault}", fix=fix) from None
        return self.shelf.put(product, token)

    def issue_host_key(
        self,
        customer: str,
        groups: Sequence[str],
        hosts: int = HOSTS_DEFAULT,
        activations: int = ACTIVATIONS_DEFAULT,
        expires_s: int | None = None,
    ) -> ProductKey:
        """A new host key. It is told this once; the ledger keeps only what checks it.

        Args:
            customer: who gets it; stands in the certificates of its hosts.
            groups: product groups, or product ids, which mean their group; what these groups cover comes with them.
            hosts: how many hosts may be activated with it.
            activations: how often each of them may be.
            expires_s: no host is activated from then on, and no certificate lasts longer; None is never.

        Raises:
            NotKnownError: no product of this publisher has such a group or id.
            InvalidSettingError: a value out of its bounds.
        """
        now_s = self._clock.now_s()
        _check_name("--customer", customer)
        _check_number("--hosts", hosts, HOSTS_MAX)
        _check_number("--activations", activations, ACTIVATIONS_MAX)
        if expires_s is not None and expires_s <= now_s:
            raise InvalidSettingError(name="--expires", reason="that time is over", allowed="Give a later day.")
        if expires_s is not None and expires_s > TIME_MAX_S:
            raise InvalidSettingError(name="--expires", reason="that is too far away", allowed="Up to the year 9998.")
        resolved = self._groups(groups)
        product_key = ProductKey.from_entropy(self._entropy.token(32))
        self.ledger.add_key(
            HostKey(
                key_id=product_key.key_id,
                verifier=product_key.verifier,
                last_five=product_key.last_five,
                customer=customer,
                groups=resolved,
                hosts_max=hosts,
                activations_max=activations,
                issued_s=now_s,
                expires_s=expires_s,
            )
        )
        return product_key

    def confirm(self, request_token: str) -> str:
        """The certificate for a host's request. The same request gets the same certificate, and uses nothing up.

        It lasts 730 days, but not beyond the host key. Its groups are those of the key and all they cover today.

        Raises:
            MalformedError, BadSignatureError: not a host request, or a changed one.
            QuorateError: as `Ledger.grant` tells.
        """
        request = read_host_request(request_token.strip())
        products = self.products()
        now_s = self._clock.now_s()

        def make(key: HostKey) -> tuple[HostCertificate, str]:
            certificate = self._certificate(request, key, groups_below(key.groups, products), now_s)
            return certificate, self._seal(HOST_CERTIFICATE, certificate)

        return self._signed_now(self.ledger.grant(request, request.jwk.key().thumbprint(), now_s, make))

    def revoke(self, kind: Kind, name: str, reason: str, since_s: int | None = None) -> Outcome:
        """What a host signed at or after `since_s` is void from the next list on; a host key is blocked besides.

        Args:
            name: the full id or its beginning, as `Blocklist.find` takes it.
            reason: shown to everybody who meets the host; 1 to 200 characters.
            since_s: now if None. For a key that has leaked: when it did.

        Raises:
            NotKnownError, InvalidSettingError: nothing or too much is named so, no reason, a time that is yet to come.
            MalformedError: the list is full.
        """
        now_s = self._clock.now_s()
        _check_name("--reason", reason)
        if since_s is not None and since_s > now_s:
            raise InvalidSettingError(name="--since", reason="that time has not come", allowed="Give an earlier day.")
        full = self.ledger.blocklist.find(kind, name)
        claims = {"kind": kind.value, "id": full, "since_s": now_s if since_s is None else since_s, "reason": reason}
        entry: Revoked = msgspec.convert(claims, Revoked)
        outcome = self.ledger.blocklist.add(entry, now_s, self._published(), self._seal_list)
        self._publish(outcome.token)
        return outcome

    def rotate(
        self, step: Step, passphrase: str, root: RootKey | None = None, new_root_passphrase: str | None = None
    ) -> Rotation:
        """Exchange the signing key, the root key, or both; products and revocation list are signed again by the newest.

        Arguments and errors as `rotation.exchange`.
        """
        with self.ledger.alone():
            vault = open_vault(self.state_dir, passphrase)  # as it is now: another process may have exchanged it
            now_s, entropy = self._clock.now_s(), self._entropy
            rotation = exchange(self.state_dir, vault, step, passphrase, root, now_s, entropy, new_root_passphrase)
            self._vault = open_vault(self.state_dir, passphrase)
        self._look_up()
        self._settle()
        return rotation

    def _settle(self) -> None:
        """What is signed is signed by the newest key, and the list that is given out is the one in the ledger."""
        own = self._vault.signing_key.verify_keys()
        self.shelf.sign_again(own, lambda product: self._seal(PRODUCT, product))
        newest, published = self.revocation_list(), self._published()
        if newest is None and published is None:
            return
        token = "" if newest is None else newest[1]
        is_behind = newest is None or (published is not None and published.number > newest[0])
        if is_behind or not self._is_own(REVOCATIONS, token):
            _, token = self.ledger.blocklist.sign_again(self._clock.now_s(), published, self._seal_list)
        self._publish(token)

    def _publish(self, token: str) -> None:
        data = token.encode("ascii") + b"\n"
        if not self.revocations_path.exists() or self.revocations_path.read_bytes() != data:
            replace_file(self.revocations_path, data)

    def _published(self) -> RevocationList | None:
        """The list that was given out last: newer than the ledger, where that was restored from a backup."""
        if not self.revocations_path.exists():
            return None
        text = read_bounded(self.revocations_path, REVOCATIONS.bytes_max + 2).decode("ascii", "replace")
        try:
            return read_held(text.strip(), self.trust)
        except (MalformedError, TrustError):  # damaged: it is written anew
            return None

    def _seal_list(self, number: int, entries: tuple[Revoked, ...]) -> str:
        claims = RevocationList(publisher=self.name, issued_s=self._clock.now_s(), number=number, entries=entries)
        return self._seal(REVOCATIONS, claims)

    def _signed_now(self, token: str) -> str:
        """A certificate that was given before the keys were exchanged is the same under the newest key."""
        if not self._is_own(HOST_CERTIFICATE, token):
            certificate = read(HOST_CERTIFICATE, token, self.trust.for_memory())
            token = self._seal(HOST_CERTIFICATE, certificate)
            self.ledger.replace_token(certificate.serial, token)
        return token

    def _is_own(self, kind: DocumentKind[_Claims], token: str) -> bool:
        try:
            read(kind, token, self._vault.signing_key.verify_keys())
        except UnknownPublisherError:
            return False
        return True

    def _certificate(self, request: HostRequest, key: HostKey, groups: tuple[str, ...], now_s: int) -> HostCertificate:
        if len(groups) > GROUPS_MAX:
            reason = f"its groups and those they cover are {len(groups)}"
            raise InvalidSettingError(name="host key", reason=reason, allowed=f"At most {GROUPS_MAX} are allowed.")
        ends_s = now_s + CERTIFICATE_S
        return HostCertificate.grant(
            jwk=request.jwk,
            publisher=self.name,
            issued_s=now_s,
            expires_s=ends_s if key.expires_s is None else min(ends_s, key.expires_s),
            host_id=request.host_id,
            serial=b64url(self._entropy.token(16)),
            request_id=request.request_id,
            customer=key.customer,
            groups=groups,
            key_id=key.key_id,
        )

    def _groups(self, names: Sequence[str]) -> tuple[str, ...]:
        products = self.products()
        known = known_groups(products)
        group_of = {product.product: product.group for product in products}
        for name in names:
            if name not in known and name not in group_of:
                listed = (
                    ", ".join(sorted(known)) or "none yet; add a product: quorate publisher product add product.toml"
                )
                raise NotKnownError(what="product group", name=name, known=listed)
        groups = tuple(dict.fromkeys(name if name in known else group_of[name] for name in names))
        if not 1 <= len(groups) <= GROUPS_MAX:
            reason = f"{len(groups)} were given"
            raise InvalidSettingError(name="--group", reason=reason, allowed=f"Give 1 to {GROUPS_MAX} groups.")
        return groups

    def _seal(self, kind: DocumentKind[_Claims], claims: _Claims) -> str:
        """Sign, and read back as everybody else will: what nobody could read never leaves."""
        token = sign(kind, claims, self._vault.signing_key)
        read(kind, token, self._vault.signing_key.verify_keys())
        return token


def _check_name(option: str, text: str) -> None:
    """That it can stand in a document: here and not when the first host with it is confirmed."""
    flaw = text_flaw(text)
    if flaw is None and len(text) > NAME_MAX:
        flaw = f"it has {len(text)} characters"
    if flaw is not None:
        raise InvalidSettingError(name=option, reason=flaw, allowed=f"Give 1 to {NAME_MAX} characters in one line.")


def _check_number(option: str, number: int, high: int) -> None:
    if not 1 <= number <= high:
        raise InvalidSettingError(name=option, reason=f"{number} is out of bounds", allowed=f"From 1 to {high}.")
