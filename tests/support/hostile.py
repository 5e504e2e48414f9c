"""The attacks every party must stand, by name, and any signed document bent in each of these ways.

Three suites go through all of `NAMES`: a hostile host against a client (tests/client/test_hostile_host.py), a hostile
client against a host (tests/host/test_hostile_client.py), a hostile host against its publisher
(tests/publisher/test_hostile_host.py).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Final

import msgspec

from quorate.core.documents import SigningKey
from quorate.core.ids import b64url, unb64url
from tests.support.forgery import ATTACKER, forged

__all__ = ["NAMES", "bent_json", "bent_tokens"]

NAMES: Final = (
    "forged",
    "re-typed",
    "replayed",
    "reordered",
    "cross-product",
    "cross-CMID",
    "expired",
    "not yet valid",
    "alg none",
    "key confusion",
    "embedded jwk",
    "duplicate JSON keys",
    "huge numbers",
    "deep nesting",
    "non-canonical base64",
    "unknown crit",
    "truncated",
    "concatenated",
)
Head = dict[str, object]
_EXTENSIONS: Final[tuple[Head, ...]] = (
    {"crit": ["exp"], "exp": 1},
    {"crit": []},
    {"b64": False, "crit": ["b64"]},
    {"zip": "DEF"},
)
_TYPS: Final = ("product", "host-request", "host-certificate", "lease", "refusal", "revocations", "trust")
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493


def bent_tokens(typ: str, payload: bytes, key: SigningKey) -> dict[str, list[str]]:
    """A document of kind `typ` by name of the attack, each of them in several ways. Where a signature is right it is
    that of `key`, which a reader would believe: only what the name says is wrong."""
    head: Head = {"alg": "Ed25519", "kid": key.kid, "typ": typ}
    good = forged(head, payload, key)
    first, second, third = good.split(".")
    public: dict[str, Any] = msgspec.to_builtins(ATTACKER.public())
    return {
        "forged": _forgeries(good, head, payload, key),
        "re-typed": [
            each
            for other in (f"{name}+jwt" for name in _TYPS)
            if other != typ
            for each in (
                forged(head | {"typ": other}, payload, key),
                f"{b64url(json.dumps(head | {'typ': other}).encode())}.{second}.{third}",
            )
        ],
        "alg none": [f"{b64url(json.dumps(head | {'alg': 'none'}).encode())}.{second}."]
        + [forged(head | {"alg": alg}, payload, key) for alg in ("none", "None", "", "nOnE")],
        "key confusion": _macs(head, payload, key),
        "embedded jwk": [
            forged(head | {"jwk": public}, payload, ATTACKER),
            forged(head | {"jwk": public, "kid": ATTACKER.kid}, payload, ATTACKER),
            forged(head | {"jku": "https://attacker.example/keys"}, payload, key),
            forged(head | {"x5c": ["AAAA"]}, payload, key),
        ],
        "duplicate JSON keys": [forged(head, each, key) for each in bent_json(payload)["duplicate JSON keys"]]
        + [forged(b'{"alg":"none",' + json.dumps(head).encode()[1:], payload, key)],
        "huge numbers": [forged(head, each, key) for each in bent_json(payload)["huge numbers"]],
        "deep nesting": [forged(head, each, key) for each in bent_json(payload)["deep nesting"]]
        + [forged(b"[" * 300, payload, key)],
        "non-canonical base64": _spellings(good, key),
        "unknown crit": [forged(head | extra, payload, key) for extra in _EXTENSIONS],
        "truncated": [
            good[:-1],
            good[: len(good) // 2],
            f"{first}.{second}",
            f"{first}.{second}.",
            f"{first}..{third}",
            "",
        ],
        "concatenated": [good + good, f"{good}.{third}", f"{good}\n{good}", f"{good} {good}"],
    }


def bent_json(good: bytes) -> dict[str, list[bytes]]:
    """An object whose first member is `"v":1`, in the ways that JSON can be bent."""
    assert good.startswith(b'{"v":1,')
    rest = good[len(b'{"v":1,') :]
    return {
        "duplicate JSON keys": [b'{"v":1,' + good[1:], b'{"\\u0076":1,' + good[1:], good[:-1] + b',"v":1}'],
        "huge numbers": [
            b'{"v":' + number + b"," + rest
            for number in (
                b"9" * 400,
                b"9" * 3000,
                b"1e999",
                b"-" + b"9" * 40,
                b"1." + b"0" * 400,
                b"18446744073709551617",
            )
        ],
        "deep nesting": [
            b'{"v":' + opened * 500 + b"1" + closed * 500 + b"," + rest
            for opened, closed in ((b"[", b"]"), (b'{"v":', b"}"))
        ]
        + [b'{"v":' + b"[" * 1000],
        "truncated": [good[:-1], good[: len(good) // 2], b"{", b""],
        "concatenated": [good + good, good + b"\n" + good, b"[" + good + b"," + good + b"]", good + b"x"],
    }


def _forgeries(good: str, head: Head, payload: bytes, key: SigningKey) -> list[str]:
    first, second, third = good.split(".")
    raw = unb64url(third)
    other = b64url(payload.replace(b"1", b"2", 3))
    flipped = bytes([raw[0] ^ 1]) + raw[1:]
    more = (int.from_bytes(raw[32:], "little") + _GROUP_ORDER).to_bytes(32, "little")
    return [
        forged(head, payload, ATTACKER),
        forged(head | {"kid": ATTACKER.kid}, payload, ATTACKER),
        f"{first}.{other}.{third}",
        f"{first}.{second}.{b64url(flipped)}",
        f"{first}.{second}.{b64url(bytes(64))}",
        f"{first}.{second}.{b64url(raw[:32] + more)}",
        f"{first}.{second}.{b64url(key.sign_bytes(payload))}",
    ]


def _macs(head: Head, payload: bytes, key: SigningKey) -> list[str]:
    """The public key as if it were a shared secret."""
    public = key.public()
    secrets = (unb64url(public.x), public.x.encode(), msgspec.json.encode(public))
    made = []
    for alg, digest in (("HS256", "sha256"), ("HS512", "sha512"), ("Ed25519", "sha512")):
        said = f"{b64url(json.dumps(head | {'alg': alg}).encode())}.{b64url(payload)}"
        made += [f"{said}.{b64url(hmac.digest(secret, said.encode(), digest))}" for secret in secrets]
    other = [forged(head | {"alg": alg}, payload, key) for alg in ("EdDSA", "ES256", "RS256", "Ed448")]
    prehashed = f"{b64url(json.dumps(head).encode())}.{b64url(payload)}"
    hashed = key.sign_bytes(hashlib.sha512(prehashed.encode()).digest())
    return [*made, *other, f"{prehashed}.{b64url(hashed)}"]


def _spellings(good: str, key: SigningKey) -> list[str]:
    first, second, third = good.split(".")
    loose = third[:-1] + _ALPHABET[_ALPHABET.index(third[-1]) | 1]

    def again(head: str, said: str) -> str:
        signature = key.sign_bytes(f"{head}.{said}".encode())
        return f"{head}.{said}.{b64url(signature)}"

    return [
        f"{first}.{second}.{loose}",
        f"{first}.{second}.{third}==",
        again(first + "=" * (-len(first) % 4 or 4), second),
        again(first, second + "=" * (-len(second) % 4 or 4)),
        again(first, f"{second[:40]}\n{second[40:]}"),
        again(first, second + "+"),
        f"{first}.{second}.{third}\n\x00",
    ]
