"""The product files of this machine: copied beside their state, so that the agent and the commands find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quorate.core.documents import ProductFile
from quorate.core.filekinds import FileKind, given_as
from quorate.core.trust import Anchor
from quorate.errors import InvalidSettingError, NotKnownError, QuorateError, StateMissingError
from quorate.files import access_fault, read_bounded, read_given, replace_file

__all__ = ["Installed", "all_of", "install", "installed", "load_anchor", "load_installed", "the_one"]

FILE_BYTES_MAX = 64 * 1024
PRODUCTS_MAX = 1000  # folders looked at; a machine has a handful
TRUST_NAME = "publisher.jwks"


@dataclass(frozen=True)
class Installed:
    """One product that was set up here, and where its two files are."""

    product: ProductFile
    product_path: Path
    trust_path: Path

    @property
    def root(self) -> Path:
        """The folder that holds the product's folder."""
        return self.product_path.parent.parent


def load_anchor(product: Path, trust: Path) -> Anchor:
    """What ships with the software, read and checked.

    Raises:
        FileAccessError: a file cannot be read.
        WrongFileError: it is of another kind: the two were exchanged, perhaps.
        MalformedError, UnknownPublisherError, BadSignatureError: the product file is not this publisher's.
    """
    return _anchor(product, trust, read_given)


def load_installed(product: Path, trust: Path) -> Anchor:
    """As `load_anchor`, from a product's folder, which may belong to a user with fewer rights than ours: plain files,
    and no link that somebody else has made."""
    return _anchor(product, trust, read_bounded)


def install(root: Path, product: Path, trust: Path) -> Installed:
    """Copy both files into the product's folder below `root`, after they were checked. Files of an earlier version of
    the product are replaced; its state stays.

    Raises:
        FileAccessError, MalformedError, UnknownPublisherError, BadSignatureError: nothing was copied.
    """
    claims = load_anchor(product, trust).product
    folder = root / claims.product
    found = Installed(claims, folder / f"{claims.product}.product", folder / TRUST_NAME)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        keys, file = _read(trust, FileKind.PUBLISHER_KEYS), _read(product, FileKind.PRODUCT)
        for path, data in ((found.trust_path, keys), (found.product_path, file)):
            replace_file(path, data)
    except OSError as fault:
        raise access_fault(folder, fault) from None
    return found


def installed(root: Path) -> list[Installed]:
    """What is set up below `root`, by product id. Folders without readable product files are passed over."""
    found = []
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir())[:PRODUCTS_MAX]
    except OSError:
        return []
    for folder in folders:
        paths = folder / f"{folder.name}.product", folder / TRUST_NAME
        if all(path.is_file() for path in paths):
            try:
                found.append(Installed(load_installed(*paths).product, *paths))
            except QuorateError:
                continue
    return found


def all_of(roots: Sequence[Path]) -> list[Installed]:
    """What is set up below the roots; a product that is below several is the first one's."""
    return list({each.product.product: each for root in reversed(roots) for each in installed(root)}.values())


def the_one(roots: Sequence[Path], product_id: str | None) -> Installed:
    """The product of that id, in the first of the roots that has it; without an id, the only product there is.

    Raises:
        StateMissingError: none is set up.
        NotKnownError: none of that id.
        InvalidSettingError: none was named, and there are several.
        FileAccessError, MalformedError, UnknownPublisherError, BadSignatureError: the named one's files are damaged.
    """
    for root in roots:
        if product_id is not None and (root / product_id / f"{product_id}.product").is_file():
            paths = root / product_id / f"{product_id}.product", root / product_id / TRUST_NAME
            return Installed(load_installed(*paths).product, *paths)
    all_here = {each.product.product: each for each in all_of(roots)}
    known = ", ".join(sorted(all_here))
    if not all_here:
        command = "quorate client init --product FILE.product --trust publisher.jwks"
        raise StateMissingError(role="client", path=roots[-1], command=command)
    if product_id is not None:
        raise NotKnownError(what="product", name=product_id, known=known)
    if len(all_here) > 1:
        reason = "several products are set up here"
        raise InvalidSettingError(name="--product-id", reason=reason, allowed=f"One of: {known}.")
    return next(iter(all_here.values()))


def _anchor(product: Path, trust: Path, read: Callable[[Path, int], bytes]) -> Anchor:
    keys = _read(trust, FileKind.PUBLISHER_KEYS, read)
    return Anchor.load(_read(product, FileKind.PRODUCT, read).decode("utf-8", "replace"), keys)


def _read(path: Path, wanted: FileKind, read: Callable[[Path, int], bytes] = read_given) -> bytes:
    return given_as(read(path, 2 * FILE_BYTES_MAX), wanted, path)
