"""The signed product files, one for each product: `products/<id>.product`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from quorate.core.documents import PRODUCT, ProductFile, VerifyKeys, read
from quorate.errors import InvalidSourceError, MalformedError, NotKnownError, TrustError, UnknownPublisherError
from quorate.files import make_private_folder, read_bounded, replace_file

__all__ = ["Shelf", "groups_below", "known_groups"]

_PRODUCTS_MAX = 10_000  # all are read for one answer, so there is a bound


class Shelf:
    """Product files by product id.

    Args:
        folder: `products` in the publisher's state.
        keys: the publisher's own, those of earlier times included; a file signed by anybody else is refused.
    """

    def __init__(self, folder: Path, keys: VerifyKeys) -> None:
        self._folder = folder
        self._keys = keys

    def all(self) -> list[ProductFile]:
        """Every product, by id.

        Raises:
            MalformedError, TrustError and its kind: one of the files is damaged or not this publisher's.
        """
        paths = sorted(self._folder.glob("*.product"))
        if len(paths) > _PRODUCTS_MAX:
            raise MalformedError(what=str(self._folder), reason=f"it has more than {_PRODUCTS_MAX} product files")
        return [self._read(path) for path in paths]

    def get(self, product_id: str) -> ProductFile:
        """One product.

        Raises:
            NotKnownError: there is none of that id.
        """
        return self._read(self.path(product_id))

    def path(self, product_id: str) -> Path:
        """Its signed file.

        Raises:
            NotKnownError: there is none of that id.
        """
        known = {path.stem: path for path in self._folder.glob("*.product")}
        if product_id not in known:
            listed = ", ".join(sorted(known)) or "none yet; add one: quorate publisher product add product.toml"
            raise NotKnownError(what="product", name=product_id, known=listed)
        return known[product_id]

    def put(self, product: ProductFile, token: str) -> Path:
        """Store a signed product in the place of an earlier one of the same id."""
        make_private_folder(self._folder)
        return replace_file(self._folder / f"{product.product}.product", token.encode("ascii") + b"\n")

    def sign_again(self, own: VerifyKeys, seal: Callable[[ProductFile], str]) -> None:
        """Every product that is not signed by one of `own` gets the same claims signed anew. A file that is damaged or
        foreign is left as it is; who asks for it is told."""
        for path in sorted(self._folder.glob("*.product")):
            with suppress(MalformedError, TrustError):
                product = self._read(path)
                try:
                    read(PRODUCT, self._token(path), own)
                except UnknownPublisherError:
                    self.put(product, seal(product))

    def check_editions_free(self, product: ProductFile, source: Path) -> ProductFile:
        """The product, if no other one has an edition id of it: clients ask by edition id alone.

        Raises:
            InvalidSourceError: naming the edition and the other product.
        """
        for other in self.all():
            for edition in other.editions:
                if other.product != product.product and product.edition(edition.id) is not None:
                    raise InvalidSourceError(
                        path=source,
                        reason=f"edition id {edition.id} already belongs to product {other.product}",
                        fix="Each edition id stands once among all products of a publisher. Choose another one.",
                    )
        return product

    @staticmethod
    def _token(path: Path) -> str:
        try:
            return read_bounded(path, PRODUCT.bytes_max + 2).decode("ascii").strip()
        except UnicodeDecodeError:
            raise MalformedError(what=str(path), reason="it is not text") from None

    def _read(self, path: Path) -> ProductFile:
        product = read(PRODUCT, self._token(path), self._keys)
        if product.product != path.stem:
            raise MalformedError(what=str(path), reason=f"the product inside is {product.product}")
        return product


def known_groups(products: Iterable[ProductFile]) -> set[str]:
    """Every group that some product is in, or that one covers."""
    return {group for product in products for group in (product.group, *product.covers)}


def groups_below(groups: Iterable[str], products: Iterable[ProductFile]) -> tuple[str, ...]:
    """The groups and all that they cover, directly or through others, each once, by name. Circles do no harm."""
    covers: dict[str, set[str]] = {}
    for product in products:
        covers.setdefault(product.group, set()).update(product.covers)
    found: set[str] = set()
    waiting = list(groups)
    while waiting:  # ends: a group is opened once, and there are finitely many
        group = waiting.pop()
        if group not in found:
            found.add(group)
            waiting.extend(covers.get(group, ()))
    return tuple(sorted(found))
