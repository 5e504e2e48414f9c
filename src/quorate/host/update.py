"""What a publisher sends to a host that is not online, as files: told by their kind, and taken in the right order.

The keys come first, as they judge everything else; then the revocation list, product files, and the certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from quorate.core.armor import dearmored
from quorate.core.documents import HOST_CERTIFICATE, PRODUCT, DocumentKind, typ_of
from quorate.core.revocation import REVOCATIONS
from quorate.core.succession import TRUST, chain_of
from quorate.errors import MalformedError, TextForeignError
from quorate.host.keyring import HostKeyring

__all__ = ["FILES_MAX", "Updated", "take_files"]

FILES_MAX = 64
_MARK = "BEGIN QUORATE"


@dataclass(frozen=True)
class Updated:
    """What was new: the version of the publisher's keys, the number of the list (None: nothing new), product ids, and
    the serial of a certificate."""

    version: int | None
    number: int | None
    products: tuple[str, ...]
    certificate: str | None


@dataclass
class _Sorted:
    chain: tuple[str, ...] | None = None
    lists: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    certificates: list[str] = field(default_factory=list)


def take_files(keyring: HostKeyring, files: Sequence[tuple[str, str]]) -> Updated:
    """Take these files, in whatever order they were named.

    Args:
        files: name and text of each.

    Raises:
        MalformedError: a file of another kind; which one is said. Nothing was taken.
        TrustError, QuorateError: as `HostKeyring.take_belief`, `add_product`, `activate`; those before it were taken.
    """
    if len(files) > FILES_MAX:
        raise MalformedError(what="the files", reason=f"they are more than {FILES_MAX}")
    found = _Sorted()
    for name, text in files:
        _sort(found, name, text)
    version = None if found.chain is None else keyring.take_belief(found.chain, None).version
    numbers = [keyring.take_belief(None, token).number for token in found.lists]
    products = [keyring.add_product(token).product for token in found.products]
    serials = [keyring.activate(token).serial for token in found.certificates]
    return Updated(
        version=version,
        number=max((number for number in numbers if number is not None), default=None),
        products=tuple(products),
        certificate=serials[-1] if serials else None,
    )


def _sort(found: _Sorted, name: str, text: str) -> None:
    if _MARK in text:
        kind, token = _from_text(text)
        typ: str | None = kind.typ
    else:
        token = text.strip()
        typ = typ_of(token.split(None, 1)[0]) if token else None
    if typ == TRUST.typ:
        chain = chain_of(text)
        found.chain = chain if found.chain is None or len(chain) > len(found.chain) else found.chain
    elif typ == REVOCATIONS.typ:
        found.lists.append(token)
    elif typ == PRODUCT.typ:
        found.products.append(token)
    elif typ == HOST_CERTIFICATE.typ:
        found.certificates.append(token)
    elif '"keys"' in text:
        raise MalformedError(
            what=name, reason="these are keys without proof, for a new host; this one follows publisher.trust"
        )
    else:
        raise MalformedError(
            what=name,
            reason="it is no publisher.trust, publisher.revocations, product file or host certificate",
        )


def _from_text(text: str) -> tuple[DocumentKind[Any], str]:
    try:
        return PRODUCT, dearmored(text, PRODUCT)
    except TextForeignError:
        return HOST_CERTIFICATE, dearmored(text, HOST_CERTIFICATE)
