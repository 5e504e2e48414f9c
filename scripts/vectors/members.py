"""Vectors of sections 2 to 4, 8 and 11: every member is there. One that is left out is filled in by nobody."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from scripts.vectors.documents import document
from scripts.vectors.making import HOST, OTHER_PUBLISHER, PUBLISHER, Claims, Key, keyset, token
from scripts.vectors.vector import Vector, invalid
from scripts.vectors.world import certificate, host_request, lease, product, refusal, revocations, trust

__all__ = ["vectors"]

MALFORMED = invalid("MALFORMED_DOCUMENT")
Place = tuple[str | int, ...]

_DOCUMENTS: Final[tuple[tuple[str, str, Claims, Key], ...]] = (
    ("product+jwt", "3.1", product(), PUBLISHER),
    ("host-request+jwt", "3.2", host_request(), HOST),
    ("host-certificate+jwt", "3.3", certificate(), PUBLISHER),
    ("lease+jwt", "3.4", lease(), HOST),
    ("refusal+jwt", "3.5", refusal(), HOST),
    ("revocations+jwt", "3.6", revocations(), PUBLISHER),
    ("trust+jwt", "3.7", trust(), PUBLISHER),
)
_MAY_BE_LEFT_OUT: Final = {"kid", "alg", "use"}  # of a JWK


def vectors() -> Iterator[Vector]:
    """All of them."""
    for typ, section, claims, key in _DOCUMENTS:
        for place in _places(claims):
            if place[-1] in _MAY_BE_LEFT_OUT:
                continue
            short, where = typ.removesuffix("+jwt"), _spelled(place)
            name = f"members/{short}-{where.replace('.', '-').replace('_', '-')}"
            shows = f"`{where}` of a {short} must be there."
            text = token(typ, _without(claims, place), key)
            yield document(name, shows, section, text, MALFORMED, typ, keyset(PUBLISHER, HOST, OTHER_PUBLISHER))


def _places(value: Any, above: Place = ()) -> Iterator[Place]:
    """Where the members of an object stand, those of objects inside it too; of a list, those of its first item."""
    if isinstance(value, list):
        yield from _places(value[0], (*above, 0))
    elif isinstance(value, dict):
        for name, inside in value.items():
            yield (*above, name)
            yield from _places(inside, (*above, name))


def _spelled(place: Place) -> str:
    return ".".join(str(step) for step in place if step != 0)


def _without(claims: Claims, place: Place) -> Claims:
    whole = copy.deepcopy(claims)
    at: Any = whole
    for step in place[:-1]:
        at = at[step]
    del at[place[-1]]
    return whole
