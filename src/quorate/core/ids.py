"""Names of things: CMIDs, nonces, lineage links, editions, product keys. Their shapes are checked by their types."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import unicodedata
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

from msgspec import Meta

from quorate.errors import ProductKeyInvalidError

__all__ = [
    "Cmid",
    "Commit",
    "HostId",
    "Link",
    "MachineName",
    "Nonce",
    "ProductKey",
    "Reveal",
    "ShownText",
    "Slug",
    "b64url",
    "in_groups",
    "key_proof",
    "link_bytes",
    "link_of",
    "new_cmid",
    "random_symbols",
    "read_symbols",
    "seen",
    "text_flaw",
    "unb64url",
]

# `\Z`, never `$`: in Python `$` also matches before a final newline.
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"

Cmid = Annotated[str, Meta(pattern=_UUID, description="CMID: a lower-case UUID")]
"""One client installation, as a host counts it (S16). Random, made by the client, kept until a rearm."""

HostId = Annotated[str, Meta(pattern=_UUID, description="KMS host id: a lower-case UUID")]
"""One KMS host, made when it is set up; it survives new certificates and new machines (backup and restore)."""

Nonce = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]\Z", description="16 random bytes, base64url without padding")
]
"""Makes a question unique. A client keeps its nonce until it is answered, so a lost reply makes no second question."""

Link = Nonce
"""Lineage link of a lease, 16 bytes: whoever presents a superseded one has been cloned or rolled back."""

Commit = Nonce
"""The hash of a question's key, 16 bytes (`core.proof`)."""

Reveal = Nonce
"""The key of a question that was answered, 16 bytes (`core.proof`)."""

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z", description="a-z, 0-9, dot, dash; at most 64")]
"""Product, edition and group ids: typed by people, used in file names."""

# Control characters, line separators, and the marks that turn the direction of writing: text from elsewhere must not
# be able to steer a terminal or to show itself as another text.
_UNSHOWABLE = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"

# Spaces, and what leaves no mark on a screen: Unicode's Default_Ignorable_Code_Point, the empty letters of Hangul and
# Braille. By number and not by category, so that all readers mean the same whatever their Unicode.
_BLANK = (
    r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u2060-\u2065\u206a-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_VISIBLE = re.compile(f"[^{_BLANK}{_UNSHOWABLE}]")
_NOT_SHOWN = re.compile(
    rf"[{_UNSHOWABLE}\ud800-\udfff]"
)  # half a surrogate pair: bytes of an argument that are no UTF-8

MACHINE_NAME_MAX: Final = 253

MachineName = Annotated[
    str,
    Meta(
        pattern=rf"^[{_BLANK}]*[^{_BLANK}{_UNSHOWABLE}][^{_UNSHOWABLE}]*\Z",
        max_length=MACHINE_NAME_MAX,
        description="host name, no control characters, and something to be seen",
    ),
]
"""What a machine calls itself: shown to administrators, believed by nobody."""

ShownText = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=rf"^[^{_UNSHOWABLE}]+\Z", description="one line to be shown")
]
"""A name or a sentence of somebody else's, on one line."""


def text_flaw(text: str) -> str | None:
    """Why a text that a person gives to be shown and signed is none, or None. It is stricter than `ShownText`: what
    leaves no mark on a screen is refused too."""
    if not _VISIBLE.search(text):
        return "it is empty, or nothing of it can be seen"
    found = _NOT_SHOWN.search(text)
    if found is None:
        return None
    if unicodedata.category(found[0]) == "Cc":
        return "it has a line break or another control character in it"
    return f"it has U+{ord(found[0]):04X} in it, which cannot be shown in one line"


def seen(name: str, otherwise: str) -> str:
    """A machine's own name as it may be sent: what cannot be shown is left out; `otherwise` where that is all of it."""
    shown = "".join(c for c in name if c.isprintable())[:MACHINE_NAME_MAX]
    return shown if _VISIBLE.search(shown) else otherwise


LINKS_MAX: Final = 1024  # several batches

# As `base64` does it, in half the time: an answer needs a dozen of these.
_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def b64url(data: bytes) -> str:
    """base64url without padding (RFC 7515, section 2)."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")


def unb64url(text: str) -> bytes:
    """The bytes of a base64url text without padding.

    Raises:
        ValueError: padding, foreign characters, or bits left over: one value has exactly one text.
    """
    if not text.isascii():
        raise ValueError("not base64url")
    padded = text.encode().translate(_FROM_URL) + b"=" * (-len(text) % 4)
    data = binascii.a2b_base64(padded)
    # Written again it must be the same; in plain base64, whose own three signs a text of ours never has.
    if binascii.b2a_base64(data, newline=False) != padded or "=" in text or "+" in text or "/" in text:
        raise ValueError("not canonical base64url")
    return data


def new_cmid(sixteen_bytes: bytes) -> str:
    """A random UUID (RFC 9562, version 4) from 16 bytes of entropy."""
    return str(uuid.UUID(bytes=sixteen_bytes, version=4))


def link_of(cmid: str, nonce: str) -> str:
    """The lineage link of the lease that answers `nonce`: both sides can tell it, nobody else can guess it."""
    return b64url(link_bytes(cmid, nonce))


@lru_cache(maxsize=LINKS_MAX)  # a host needs each twice for an answer, its batch lies between
def link_bytes(cmid: str, nonce: str) -> bytes:
    """The 16 bytes of `link_of`."""
    return hashlib.sha256(f"quorate-link:{cmid}:{nonce}".encode("ascii")).digest()[:16]


# --- product keys --------------------------------------------------------------------------------------------------

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # 31 symbols, a prime; without 0/O, 1/I/L, which people confuse
_HOST_KEY_MARK = "QH"  # every host key begins so: it can be told from anything else at a glance
_SYMBOLS = 25
RANDOM_SYMBOLS = _SYMBOLS - len(_HOST_KEY_MARK) - 1  # 22 symbols, 109 bits: not to be guessed


@dataclass(frozen=True)
class ProductKey:
    """A host key as people type it: five groups of five, `QHxxx-…`, the last symbol a check digit.

    The check digit makes the sum of position times symbol a multiple of 31. As 31 is prime and there are fewer than 31
    positions, it finds every single wrong symbol and every two symbols exchanged (ISBN-10 does the same with 11).
    """

    text: str

    @classmethod
    def parse(cls, typed: str) -> ProductKey:
        """The key in what was typed: any case, with or without dashes and spaces, those that mail programs and word
        processors make of them included.

        Raises:
            ProductKeyInvalidError: with the first reason found; a typo is told from everything else.
        """
        try:
            symbols = read_symbols(typed, _SYMBOLS, "a product key")
        except ValueError as fault:
            raise ProductKeyInvalidError(reason=str(fault)) from None
        if not symbols.startswith(_HOST_KEY_MARK):
            raise ProductKeyInvalidError(reason=f"it is no host key; host keys begin with {_HOST_KEY_MARK}")
        return cls(in_groups(symbols))

    @classmethod
    def from_entropy(cls, random_bytes: bytes) -> ProductKey:
        """A new host key from at least 32 bytes of entropy (the remainder's bias is below 2^-140)."""
        if len(random_bytes) < 32:
            raise ValueError("a product key needs 32 bytes of entropy")
        return cls.parse(random_symbols(_HOST_KEY_MARK, _SYMBOLS, random_bytes))

    @property
    def last_five(self) -> str:
        """All that is ever shown of a key again."""
        return self.text[-5:]

    @property
    def key_id(self) -> str:
        """Names the key without telling it: safe in files and ledgers."""
        return b64url(hashlib.sha256(b"quorate-host-key-id:" + self.text.encode("ascii")).digest()[:12])

    @property
    def verifier(self) -> bytes:
        """What the publisher keeps instead of the key, to check `proof` (32 bytes)."""
        return hashlib.sha256(b"quorate-host-key-verifier:" + self.text.encode("ascii")).digest()

    def __repr__(self) -> str:
        return f"ProductKey(…-{self.last_five})"

    __str__ = __repr__  # a key is written out with `.text`, on purpose only


def key_proof(verifier: bytes, host_id: str, thumbprint: str, request_id: str) -> str:
    """Proof that a host holds a product key, bound to this host, its signing key and this one request."""
    said = f"quorate-host-key-proof:{host_id}:{thumbprint}:{request_id}".encode("ascii")
    return b64url(hmac.new(verifier, said, "sha256").digest())


# --- texts that people type -------------------------------------------------------------------------------------------


def read_symbols(typed: str, length: int, what: str) -> str:
    """The symbols in what was typed, without separators, their check digit right.

    Args:
        length: how many there must be, fewer than 31.
        what: how a message calls it, such as "a product key".

    Raises:
        ValueError: with the first reason found.
    """
    # Letter by letter and only within the alphabet: `"ß".upper()` is two letters.
    symbols = "".join(c.upper() if c.isascii() else c for c in typed if not _is_separator(c))
    strange = sorted({c for c in symbols if c not in _ALPHABET})
    if strange:
        shown = " ".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in strange[:5])
        raise ValueError(f"{what} never has {shown} in it")
    if len(symbols) != length:
        raise ValueError(f"it has {len(symbols)} symbols instead of {length}")
    if _weighted(symbols) % len(_ALPHABET):
        raise ValueError("its check digit does not fit, so there is a typing mistake in it")
    return symbols


def random_symbols(mark: str, length: int, random_bytes: bytes) -> str:
    """So many symbols that begin with `mark` and end with their check digit; between them chance."""
    number, body = int.from_bytes(random_bytes, "big"), mark
    for _ in range(length - len(mark) - 1):
        number, symbol = divmod(number, len(_ALPHABET))
        body += _ALPHABET[symbol]
    modulus = len(_ALPHABET)
    return body + _ALPHABET[-_weighted(body) * pow(length, -1, modulus) % modulus]


def in_groups(symbols: str) -> str:
    """Five by five, with dashes between."""
    return "-".join(symbols[i : i + 5] for i in range(0, len(symbols), 5))


def _is_separator(character: str) -> bool:
    # Pd: dashes of every length; Zs: spaces; Cf: soft hyphens and zero-width marks.
    return character in "\t\r\n\u2212" or unicodedata.category(character) in ("Pd", "Zs", "Cf")


def _weighted(symbols: str) -> int:
    return sum(place * _ALPHABET.index(symbol) for place, symbol in enumerate(symbols, start=1))
