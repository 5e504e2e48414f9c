"""The publisher at work: signs products, issues host keys, confirms hosts."""

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
    ProductFile,
    VerifyKeys,
    read,
    read_host_request,
    sign,
)
from quorate.core.ids import ProductKey, b64url
from quorate.core.policy import DAY_S
from quorate.errors import InvalidSettingError, InvalidSourceError, MalformedError, NotKnownError, StateExistsError
from quorate.publisher.files import make_private_folder
from quorate.publisher.ledger import ACTIVATIONS_DEFAULT, HOSTS_DEFAULT, HostEntry, HostKey, Ledger, Totals
from quorate.publisher.product import parse_source
from quorate.publisher.shelf import Shelf, groups_below, known_groups
from quorate.publisher.vault import (
    Vault,
    create_vault,
    jwks_path,
    open_vault,
    read_public,
    require_absent,
    require_present,
)

__all__ = ["CERTIFICATE_S", "Book", "Publisher"]

CERTIFICATE_S: Final = 730 * DAY_S  # two years: a host renews long before (architecture decision)
HOSTS_MAX: Final = 100_000
ACTIVATIONS_MAX: Final = 10_000
GROUPS_MAX: Final = 64  # as core.documents.HostCertificate has it
NAME_MAX: Final = 200
TIME_MAX_S: Final = 253_370_764_800  # the end of the year 9998; calendars end a year later

_Claims = TypeVar("_Claims", bound=msgspec.Struct)


class Book:
    """What can be looked up without the passphrase: the public keys, the signed products, the ledger.

    Args:
        state_dir: the publisher's state.

    Raises:
        StateMissingError, FilePermissionsError, FileAccessError, MalformedError, SchemaNewerError: it cannot be read.
    """

    def __init__(self, state_dir: Path) -> None:
        require_present(state_dir)
        self.jwks_path = jwks_path(state_dir)
        self.verify_keys: VerifyKeys = read_public(state_dir)
        self.shelf = Shelf(state_dir / "products", self.verify_keys)
        self.ledger = Ledger.open(state_dir / "ledger.db")

    def products(self) -> list[ProductFile]:
        """Every product, by id."""
        return self.shelf.all()

    def product(self, product_id: str) -> ProductFile:
        """One product. Raises NotKnownError."""
        return self.shelf.get(product_id)

    def product_path(self, product_id: str) -> Path:
        """The signed file of a product. Raises NotKnownError."""
        return self.shelf.path(product_id)

    def host_keys(self) -> list[HostKey]:
        """Every host key, the newest last."""
        return self.ledger.keys()

    def hosts(self) -> list[HostEntry]:
        """Every activated host, the newest last."""
        return self.ledger.hosts()

    def totals(self) -> Totals:
        """The ledger in numbers."""
        return self.ledger.totals()


class Publisher(Book):
    """A publisher with its vault open. Made by `create` or `open`."""

    def __init__(self, state_dir: Path, vault: Vault, clock: Clock, entropy: Entropy) -> None:
        super().__init__(state_dir)
        self._vault = vault
        self._clock = clock
        self._entropy = entropy

    @classmethod
    def create(cls, state_dir: Path, name: str, passphrase: str, clock: Clock, entropy: Entropy) -> Publisher:
        """A new publisher: signing key, public keys, empty ledger.

        Args:
            state_dir: made with mode 0700 if it is not there.
            name: stands in every document that is signed; 1 to 200 characters.
            passphrase: encrypts the signing key; there is no way back without it.
            clock, entropy: where time and keys come from.

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
        if Ledger.create(state_dir / "ledger.db").totals().host_keys:
            raise StateExistsError(role="publisher's ledger", path=state_dir)
        return cls(state_dir, create_vault(state_dir, name, passphrase, entropy), clock, entropy)

    @classmethod
    def open(cls, state_dir: Path, passphrase: str, clock: Clock, entropy: Entropy) -> Publisher:
        """The publisher that is there.

        Raises:
            StateMissingError: there is none.
            PassphraseError: wrong or empty passphrase.
            FilePermissionsError: its folder, key or ledger is open to others.
            MalformedError, SchemaNewerError, FileAccessError: a file is damaged, too new, or missing.
        """
        return cls(state_dir, open_vault(state_dir, passphrase), clock, entropy)

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

        return self.ledger.grant(request, request.jwk.key().thumbprint(), now_s, make)

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
    printable = all(c >= " " and not "\x7f" <= c <= "\x9f" for c in text)
    if not text.strip() or len(text) > NAME_MAX or not printable:
        reason = "it is empty" if not text.strip() else "it is too long" if printable else "it has control characters"
        raise InvalidSettingError(name=option, reason=reason, allowed=f"Give 1 to {NAME_MAX} characters in one line.")


def _check_number(option: str, number: int, high: int) -> None:
    if not 1 <= number <= high:
        raise InvalidSettingError(name=option, reason=f"{number} is out of bounds", allowed=f"From 1 to {high}.")
