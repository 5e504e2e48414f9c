"""Vectors of sections 3.6 and 3.7: the publisher's next keys, and who is no longer believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from scripts.vectors.making import ATTACKER, HOST, OTHER_HOST, PUBLISHER, Claims, Key, keyset, token
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import (
    DAY,
    NOW,
    certificate,
    certificate_token,
    entry,
    jwk_of,
    nonce,
    revocations,
    trust,
)

__all__ = ["vectors"]

ROOT, SECOND, THIRD = Key(13), Key(14), Key(15)
MALFORMED = invalid("MALFORMED_DOCUMENT")
UNKNOWN = invalid("UNKNOWN_PUBLISHER")
FORGED = invalid("BAD_SIGNATURE")
ISSUING: Final = "issuing"


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _chains()
    yield from _bad_chains()
    yield from _malformed_sets()
    yield from _roles()
    yield from _lists()
    yield from _revoked()


def _next(version: int, signer: Key, *keys: Claims, **changes: Any) -> str:
    """The trust document of a version."""
    return token("trust+jwt", trust(version=version, keys=list(keys), **changes), signer)


def _set(*keys: Claims, version: int | None = None) -> Claims:
    return {"keys": list(keys)} if version is None else {"keys": list(keys), "version": version}


def _chain(name: str, shows: str, known: Claims, chain: list[str], expected: dict[str, Any]) -> Vector:
    return Vector(f"trust/{name}", shows, "3.7", "trust-chain", {"keys": known, "chain": chain}, expected)


def _at(version: int, kids: list[Key], next_kids: list[Key]) -> dict[str, Any]:
    return valid(version=version, kids=[key.kid for key in kids], next_kids=[key.kid for key in next_kids])


_FIRST: Final = _set(PUBLISHER.jwk)
_TO_2: Final = _next(2, PUBLISHER, SECOND.jwk)
_TO_3: Final = _next(3, SECOND, THIRD.jwk)
_ROOTED: Final = _set(jwk_of(ROOT, "root"), jwk_of(PUBLISHER, ISSUING))
_ROOT_EXCHANGED: Final = _next(2, ROOT, jwk_of(THIRD, "root"), jwk_of(PUBLISHER, ISSUING))
_ROOT_ADDED: Final = _next(2, PUBLISHER, jwk_of(ROOT, "root"), jwk_of(PUBLISHER, ISSUING))


def _chains() -> Iterator[Vector]:
    both = _next(2, PUBLISHER, PUBLISHER.jwk, SECOND.jwk)
    rooted = _next(2, ROOT, jwk_of(ROOT, "root"), jwk_of(SECOND, ISSUING))
    later = _set(SECOND.jwk, version=2)
    for name, shows, known, chain, expected in (
        ("empty", "Without trust documents the shipped keys stay.", _FIRST, [], _at(1, [PUBLISHER], [PUBLISHER])),
        ("one-step", "A key of version 1 signs version 2.", _FIRST, [_TO_2], _at(2, [SECOND], [SECOND])),
        ("two-steps", "Each version proves the next.", _FIRST, [_TO_2, _TO_3], _at(3, [THIRD], [THIRD])),
        ("overlap", "A key may stay.", _FIRST, [both], _at(2, [PUBLISHER, SECOND], [PUBLISHER, SECOND])),
        ("rooted", "A root key signs the next keys, and nothing else.", _ROOTED, [rooted], _at(2, [SECOND], [ROOT])),
        (
            "root-exchanged",
            "The next root key is named by the one before.",
            _ROOTED,
            [_ROOT_EXCHANGED],
            _at(2, [PUBLISHER], [THIRD]),
        ),
        (
            "root-exchanged-twice",
            "From then on the new one signs.",
            _ROOTED,
            [_ROOT_EXCHANGED, _next(3, THIRD, jwk_of(ROOT, "root"), jwk_of(SECOND, ISSUING))],
            _at(3, [SECOND], [ROOT]),
        ),
        (
            "root-added",
            "A set without a root key may get one; its signing key may stay, as issuing key.",
            _FIRST,
            [_ROOT_ADDED],
            _at(2, [PUBLISHER], [ROOT]),
        ),
        (
            "root-removed",
            "A root key may name a set without one.",
            _ROOTED,
            [_next(2, ROOT, SECOND.jwk)],
            _at(2, [SECOND], [SECOND]),
        ),
        (
            "begin-later",
            "Who knows version 2 passes over the first document.",
            later,
            [_TO_2, _TO_3],
            _at(3, [THIRD], [THIRD]),
        ),
        (
            "passed-over-unread",
            "A document that is passed over is not judged: its signer may not be known.",
            later,
            [_next(2, ATTACKER, ATTACKER.jwk), _TO_3],
            _at(3, [THIRD], [THIRD]),
        ),
        (
            "nothing-new",
            "A chain that ends at the version that is known changes nothing.",
            later,
            [_TO_2],
            _at(2, [SECOND], [SECOND]),
        ),
    ):
        yield _chain(name, shows, known, chain, expected)


def _bad_chains() -> Iterator[Vector]:
    later = _set(THIRD.jwk, version=3)
    back = _next(3, PUBLISHER, PUBLISHER.jwk)
    for name, shows, known, chain, expected in (
        ("stranger", "A key that is in no version signs nothing.", _FIRST, [_next(2, ATTACKER, ATTACKER.jwk)], UNKNOWN),
        ("names-itself", "A key does not bring itself in.", _FIRST, [_next(2, SECOND, SECOND.jwk)], UNKNOWN),
        ("borrowed-kid", "The publisher's `kid` over another signature is refused.", _FIRST, [_borrowed()], FORGED),
        (
            "dropped-key",
            "A key that version 2 dropped signs no version 3.",
            _FIRST,
            [_TO_2, back],
            invalid("RETIRED_KEY"),
        ),
        (
            "version-twice",
            "A version that is known already is refused.",
            _FIRST,
            [_TO_2, _next(2, SECOND, THIRD.jwk)],
            invalid("TRUST_OUTDATED"),
        ),
        ("version-left-out", "No version is left out.", _FIRST, [_next(3, PUBLISHER, THIRD.jwk)], invalid("TRUST_GAP")),
        (
            "too-short",
            "A chain that ends before the known version is refused: somebody goes back.",
            later,
            [_TO_2],
            invalid("TRUST_OUTDATED"),
        ),
        (
            "old-root",
            "A root key that was exchanged signs no keys.",
            _ROOTED,
            [_ROOT_EXCHANGED, _next(3, ROOT, jwk_of(ROOT, "root"), jwk_of(ATTACKER, ISSUING))],
            invalid("RETIRED_KEY"),
        ),
        (
            "signing-key-under-a-root",
            "Where a root was added, the signing key names keys no more.",
            _FIRST,
            [_ROOT_ADDED, _next(3, PUBLISHER, ATTACKER.jwk)],
            invalid("KEY_ROLE"),
        ),
        (
            "version-1001",
            "There are at most 1000 versions.",
            _set(PUBLISHER.jwk, version=1000),
            [*[_TO_2] * 999, _next(1001, PUBLISHER, SECOND.jwk)],
            MALFORMED,
        ),
        (
            "issuing-key",
            "A key of role `issuing` signs no keys.",
            _ROOTED,
            [_next(2, PUBLISHER, SECOND.jwk)],
            invalid("KEY_ROLE"),
        ),
    ):
        yield _chain(name, shows, known, chain, expected)


def _malformed_sets() -> Iterator[Vector]:
    ending = _set(jwk_of(ROOT, "root"))
    for name, shows, known, chain, expected in (
        ("version-1", "There is no trust document of version 1.", _FIRST, [_next(1, PUBLISHER, SECOND.jwk)], MALFORMED),
        ("no-keys", "A set has a key.", _FIRST, [_next(2, PUBLISHER)], MALFORMED),
        (
            "key-twice",
            "A key stands once in a set.",
            _FIRST,
            [_next(2, PUBLISHER, SECOND.jwk, jwk_of(SECOND, ISSUING))],
            MALFORMED,
        ),
        (
            "root-alone",
            "A set with root keys alone could sign no documents.",
            _FIRST,
            [_next(2, PUBLISHER, *ending["keys"])],
            MALFORMED,
        ),
        (
            "issuing-alone",
            "A set with issuing keys alone could not go on.",
            _FIRST,
            [_next(2, PUBLISHER, jwk_of(SECOND, ISSUING))],
            MALFORMED,
        ),
        ("unknown-role", "There are two roles.", _FIRST, [_next(2, PUBLISHER, jwk_of(SECOND, "admin"))], MALFORMED),
        ("not-a-trust", "A certificate is no trust document.", _FIRST, [certificate_token()], MALFORMED),
        (
            "second-is-bad",
            "All documents of a chain are good, or none counts.",
            _FIRST,
            [_TO_2, _next(3, ATTACKER, THIRD.jwk)],
            UNKNOWN,
        ),
    ):
        yield _chain(name, shows, known, chain, expected)


def _borrowed() -> str:
    return token("trust+jwt", trust(version=2, keys=[ATTACKER.jwk]), ATTACKER, kid=PUBLISHER.kid)


def _roles() -> Iterator[Vector]:
    """What `role` and `version` mean in a `publisher.jwks`."""
    root, issuing = jwk_of(ROOT, "root"), jwk_of(PUBLISHER, ISSUING)
    later = _set(PUBLISHER.jwk, version=7)
    for name, shows, given, expected in (
        (
            "root-and-issuing",
            "A root key signs the next keys, an issuing key everything else.",
            _ROOTED,
            _at(1, [PUBLISHER], [ROOT]),
        ),
        (
            "root-and-plain",
            "Where there is a root, a key without role signs no keys.",
            _set(root, PUBLISHER.jwk),
            _at(1, [PUBLISHER], [ROOT]),
        ),
        (
            "plain-and-issuing",
            "Where there is none, a key without role signs both.",
            _set(SECOND.jwk, issuing),
            _at(1, [SECOND, PUBLISHER], [SECOND]),
        ),
        ("version", "A set says which version it is.", later, _at(7, [PUBLISHER], [PUBLISHER])),
        ("version-0", "Versions begin with 1.", _set(PUBLISHER.jwk, version=0), MALFORMED),
        ("version-1001", "Versions end with 1000.", _set(PUBLISHER.jwk, version=1001), MALFORMED),
        ("version-text", "A version is an integer.", _set(PUBLISHER.jwk) | {"version": "2"}, MALFORMED),
        ("role-unknown", "There are two roles.", _set(jwk_of(PUBLISHER, "admin")), MALFORMED),
        ("root-alone", "A set with root keys alone could sign no documents.", _set(root), MALFORMED),
        ("issuing-alone", "A set with issuing keys alone could not go on.", _set(issuing), MALFORMED),
        ("twice", "A key stands once in a set.", _set(PUBLISHER.jwk, PUBLISHER.jwk), MALFORMED),
        ("too-many", "A set has at most 16 keys.", keyset(*(Key(100 + n) for n in range(17))), MALFORMED),
    ):
        text = json.dumps(given)
        yield Vector(f"keys/set-{name}", shows, "3.7", "jwk-set", {"text": text}, expected)
    bent = certificate(cnf={"jwk": jwk_of(HOST, ISSUING)})
    yield Vector(
        "claims/certificate-key-with-role",
        "Only the publisher's own keys have a role.",
        "3",
        "document",
        {"typ": "host-certificate+jwt", "token": token("host-certificate+jwt", bent, PUBLISHER), "keys": _FIRST},
        MALFORMED,
    )


def _list(number: int, *entries: Claims, key: Key = PUBLISHER, **changes: Any) -> str:
    return token("revocations+jwt", revocations(number=number, entries=list(entries), **changes), key)


def _lists() -> Iterator[Vector]:
    one, two = entry(), entry(kind="host-key", id="SGFuZG1hZGUga2V5")
    held, held_2 = _list(1, one), _list(2, one, two)
    taken = valid(claims=revocations(number=2, entries=[one, two]))
    root_signed = _list(1, one, key=ROOT)
    for name, shows, known, before, offered, expected in (
        ("first", "The first list is taken.", _FIRST, None, held, valid(claims=revocations(number=1, entries=[one]))),
        ("newer", "A list of a higher number takes its place.", _FIRST, held, held_2, taken),
        ("empty", "A list may be empty.", _FIRST, None, _list(1), valid(claims=revocations(number=1, entries=[]))),
        ("same", "The list that is held already is not newer.", _FIRST, held_2, held_2, invalid("LIST_OUTDATED")),
        ("older", "An older list is never taken again.", _FIRST, held_2, held, invalid("LIST_OUTDATED")),
        (
            "conflict",
            "Two lists of one number that differ are told.",
            _FIRST,
            held_2,
            _list(2, one),
            invalid("LIST_CONFLICT"),
        ),
        ("stranger", "A list of somebody else's is refused.", _FIRST, held, _list(9, key=ATTACKER), UNKNOWN),
        ("root-signed", "A root key signs no lists.", _ROOTED, None, root_signed, invalid("KEY_ROLE")),
        (
            "held-of-dropped-key",
            "The number of a list whose key was dropped binds nobody: its thief could have written the highest one.",
            _set(SECOND.jwk, version=2),
            _list(9_007_199_254_740_991, key=PUBLISHER),
            _list(3, one, key=SECOND),
            valid(claims=revocations(number=3, entries=[one])),
        ),
        (
            "held-damaged",
            "Nor does that of a kept list which cannot be read.",
            _FIRST,
            held_2[:-4],
            held,
            valid(claims=revocations(number=1, entries=[one])),
        ),
        ("entry-twice", "An entry stands once.", _FIRST, None, _list(1, one, one), MALFORMED),
        ("kind-unknown", "There are four kinds of entries.", _FIRST, None, _list(1, entry(kind="client")), MALFORMED),
        (
            "id-of-another-kind",
            "The id of a host is a UUID.",
            _FIRST,
            None,
            _list(1, entry(id="SGFuZG1hZGUga2V5")),
            MALFORMED,
        ),
        ("number-zero", "Lists are numbered from 1.", _FIRST, None, _list(0), MALFORMED),
        ("entry-unknown-member", "An entry has four members.", _FIRST, None, _list(1, entry(until_s=NOW)), MALFORMED),
    ):
        given = {"keys": known, "held": before, "offered": offered}
        yield Vector(f"revocations/list-{name}", shows, "3.6", "revocation-list", given, expected)


def _revoked() -> Iterator[Vector]:
    void, good = invalid("HOST_REVOKED"), valid()
    serial = {"kind": "certificate", "id": nonce(100)}
    for name, shows, bent, at, expected in (
        ("host", "A host is revoked by its id.", {}, NOW, void),
        (
            "host-key",
            "Every host of a product key is revoked by the key's id.",
            {"kind": "host-key", "id": "SGFuZG1hZGUga2V5"},
            NOW,
            void,
        ),
        ("certificate", "A certificate is revoked by its serial.", serial, NOW, void),
        (
            "signing-key",
            "A host's signing key is revoked by its thumbprint.",
            {"kind": "signing-key", "id": HOST.kid},
            NOW,
            void,
        ),
        ("at-since", "From `since_s` on, that second included.", {"since_s": NOW}, NOW, void),
        ("before-since", "What was signed before runs its time.", {"since_s": NOW + 1}, NOW, good),
        ("later", "It stays revoked.", {"since_s": NOW - DAY}, NOW + 900 * DAY, void),
        ("other-host", "Another host is not meant.", {"id": "7d1b6f1e-2c55-4b7e-8f0a-0a1b2c3d4e5f"}, NOW, good),
        ("other-signing-key", "Nor is another signing key.", {"kind": "signing-key", "id": OTHER_HOST.kid}, NOW, good),
        ("request-id", "The id of the request is no serial.", serial | {"id": nonce(101)}, NOW, good),
    ):
        given = {
            "keys": _FIRST,
            "revocations": _list(1, entry(**bent)),
            "host_certificate": certificate_token(),
            "at_s": at,
        }
        yield Vector(f"revocations/certificate-{name}", shows, "3.6", "revoked", given, expected)
    earlier = _list(1, entry(since_s=NOW + DAY), entry(kind="signing-key", id=HOST.kid, since_s=NOW))
    given = {"keys": _FIRST, "revocations": earlier, "host_certificate": certificate_token(), "at_s": NOW}
    shows = "Where several entries match, one whose time has come is enough."
    yield Vector("revocations/certificate-several", shows, "3.6", "revoked", given, void)
