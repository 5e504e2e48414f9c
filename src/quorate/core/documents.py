"""Signed documents: compact JWS (RFC 7515), `alg` `Ed25519` (RFC 9864), one `typ` for each kind.

A document is read only as the kind that was expected: `typ` is in the signed header, so no kind can stand in for
another. The header has exactly `alg`, `kid` and `typ`; `crit`, `jwk`, `b64` and everything else is refused before any
cryptography is done. Keys come from the caller, never from the document (a host request, which proves possession of
the key inside it, is the one exception and says so).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from msgspec import Meta

from quorate.core.ids import HostId, MachineName, Nonce, ShownText, Slug, b64url, unb64url
from quorate.core.keys import ALGORITHM, Jwk, SigningKey, VerifyKeys
from quorate.core.messages import TimeS, decode_strict, encode
from quorate.core.policy import MachineClass, Policy
from quorate.errors import BadSignatureError, MalformedError, UnknownPublisherError

__all__ = [
    "HOST_CERTIFICATE",
    "HOST_REQUEST",
    "PRODUCT",
    "DocumentKind",
    "Edition",
    "HostCertificate",
    "HostRequest",
    "Jwk",
    "ProductFile",
    "SigningKey",
    "TokenSigner",
    "VerifyKeys",
    "kid_of",
    "read",
    "read_host_request",
    "sign",
    "typ_of",
]

_Id16 = Nonce


# --- what the publisher and the host say once ------------------------------------------------------------------------


class Edition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"machine_class": "class"}):
    """One edition of a product: `id` is its activation id."""

    id: Slug
    name: ShownText
    machine_class: MachineClass


class ProductFile(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"publisher": "iss", "issued_s": "iat", "product": "sub"},
):
    """`product+jwt`: what ships with the software, beside the publisher's JWK Set.

    `covers`: groups below this one; a host key for `group` serves them too.
    """

    v: Literal[1] = 1
    publisher: ShownText
    issued_s: TimeS
    product: Slug
    name: ShownText
    group: Slug
    covers: Annotated[tuple[Slug, ...], Meta(max_length=64)] = ()
    service: Annotated[str, Meta(pattern=r"^_[a-z0-9-]{1,15}\._tcp\Z")] = "_quorate._tcp"
    editions: Annotated[tuple[Edition, ...], Meta(min_length=1, max_length=64)]
    policy: Policy

    def __post_init__(self) -> None:
        if len({edition.id for edition in self.editions}) != len(self.editions):
            raise ValueError("an edition id stands twice")

    def edition(self, edition_id: str) -> Edition | None:
        """The edition of that id, or None."""
        for edition in self.editions:
            if edition.id == edition_id:
                return edition
        return None


class HostRequest(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"issued_s": "iat", "host_id": "sub", "request_id": "jti"},
):
    """`host-request+jwt`, signed by the host itself: "this key pair, on this machine, asks to be activated".

    It holds no product key, only its id and a proof bound to this request (`core.ids.key_proof`), so the file may
    travel by ordinary mail.
    """

    v: Literal[1] = 1
    issued_s: TimeS
    host_id: HostId
    request_id: _Id16
    machine: MachineName
    jwk: Jwk
    key_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16}\Z")]
    key_proof: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
    last_five: Annotated[str, Meta(pattern=r"^[2-9A-Z]{5}\Z")]


class _Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    jwk: Jwk


class HostCertificate(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={
        "publisher": "iss",
        "issued_s": "iat",
        "expires_s": "exp",
        "host_id": "sub",
        "serial": "jti",
        "confirmation": "cnf",
    },
):
    """`host-certificate+jwt`: the publisher lets the holder of this key sign leases for these product groups.

    Raises:
        MalformedError: the key in it is none.
    """

    v: Literal[1] = 1
    publisher: ShownText
    issued_s: TimeS
    expires_s: TimeS
    host_id: HostId
    serial: _Id16
    request_id: _Id16
    customer: ShownText
    groups: Annotated[tuple[Slug, ...], Meta(min_length=1, max_length=64)]
    key_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16}\Z")]
    confirmation: _Confirmation

    def __post_init__(self) -> None:
        if self.expires_s <= self.issued_s:
            raise ValueError("a certificate ends after it begins")
        self.jwk.key()  # it is one that only its owner can sign with, whatever is done with the certificate

    @classmethod
    def grant(cls, *, jwk: Jwk, **claims: Any) -> HostCertificate:
        """A certificate for the holder of `jwk` (RFC 7800)."""
        return cls(confirmation=_Confirmation(jwk), **claims)

    @property
    def jwk(self) -> Jwk:
        """The host's public key."""
        return self.confirmation.jwk


# --- reading and signing -------------------------------------------------------------------------------------------

_Claims = TypeVar("_Claims", bound=msgspec.Struct)


class DocumentKind(Generic[_Claims]):
    """One kind of document: its `typ`, its claims, its greatest size, and what people call it."""

    def __init__(self, typ: str, claims: type[_Claims], *, bytes_max: int, what: str) -> None:
        self.typ = typ
        self.bytes_max = bytes_max
        self.what = what
        self.decoder = msgspec.json.Decoder(claims)


PRODUCT = DocumentKind("product+jwt", ProductFile, bytes_max=64 * 1024, what="the product file")
HOST_REQUEST = DocumentKind("host-request+jwt", HostRequest, bytes_max=8192, what="the host request")
HOST_CERTIFICATE = DocumentKind("host-certificate+jwt", HostCertificate, bytes_max=8192, what="the host certificate")


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: Literal["Ed25519"]
    kid: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
    typ: Annotated[str, Meta(max_length=64)]


_header_decoder = msgspec.json.Decoder(_Header)
HEADER_CHARACTERS_MAX: Final = 512  # in base64url; the three members take 150
# The library's own bound on a payload is below a long revocation list; each kind's `bytes_max` was checked before.
_registry = jws.JWSRegistry(algorithms=[ALGORITHM])
_registry.max_payload_length = 4 * 1024 * 1024


def header_of(kind: DocumentKind[Any], kid: str) -> dict[str, str]:
    """The protected header of every document of `kind` signed by key `kid`."""
    return {"alg": ALGORITHM, "kid": kid, "typ": kind.typ}


def sign(kind: DocumentKind[_Claims], claims: _Claims, key: SigningKey) -> str:
    """`claims` as a compact JWS.

    Raises:
        MalformedError: the claims break their own bounds, so that nobody could read the document.
    """
    payload = encode(claims)
    decode_strict(kind.decoder, payload, kind.what)
    token = jws.serialize_compact(header_of(kind, key.kid), payload, key._key, algorithms=[ALGORITHM])
    _check_length(kind, token)
    return token


def read(kind: DocumentKind[_Claims], token: str, keys: VerifyKeys) -> _Claims:
    """The claims of `token`, if it is a document of this kind, signed by one of `keys`.

    Raises:
        MalformedError: not a compact JWS of this kind.
        UnknownPublisherError: signed by a key that is not among `keys`.
        BadSignatureError: changed or forged.
    """
    header, payload = _split(kind, token)
    key = keys.by_kid.get(header.kid)
    if key is None:
        raise UnknownPublisherError(what=kind.what, kid=header.kid)
    _check_signature(kind, token, key)
    return _claims(kind, payload)


def read_host_request(token: str) -> HostRequest:
    """A host request. Its key is inside it: the signature proves that the asking host holds that key, nothing else.

    Raises:
        MalformedError: not a host request.
        BadSignatureError: changed, or made without the private key.
    """
    header, payload = _split(HOST_REQUEST, token)
    claims = _claims(HOST_REQUEST, payload)
    key = claims.jwk.key()
    if header.kid != key.thumbprint():
        raise BadSignatureError(what=HOST_REQUEST.what)
    _check_signature(HOST_REQUEST, token, key)
    return claims


def _claims(kind: DocumentKind[_Claims], payload: bytes) -> _Claims:
    """The payload's claims. Defaults are for those who write a document: a reader takes nothing for granted, so a
    member that is left out (or null where it may only be left out) is refused, as `spec/protocol.md` section 2 says."""
    claims = decode_strict(kind.decoder, payload, kind.what)
    if msgspec.json.decode(encode(claims)) != msgspec.json.decode(payload):
        raise MalformedError(what=kind.what, reason="a member is missing")
    return claims


def typ_of(token: str) -> str | None:
    """The kind a token says it is, unverified: to tell people which file they have in hand. None if it is no JWS."""
    header = _header_of(token)
    return None if header is None else header.typ


def kid_of(token: str) -> str | None:
    """The key a token says it is signed by: for a token that has been verified already. None if it is no JWS."""
    header = _header_of(token)
    return None if header is None else header.kid


def _header_of(token: str) -> _Header | None:
    try:
        return decode_strict(_header_decoder, unb64url(token.split(".", 1)[0]), "the header")
    except (ValueError, MalformedError):
        return None


def _split(kind: DocumentKind[Any], token: str) -> tuple[_Header, bytes]:
    _check_length(kind, token)
    parts = token.split(".")
    if not token.isascii() or len(parts) != 3:
        raise MalformedError(what=kind.what, reason="it is not a compact JWS (three parts with dots between)")
    if len(parts[0]) > HEADER_CHARACTERS_MAX:
        raise MalformedError(what=kind.what, reason=f"its header is longer than {HEADER_CHARACTERS_MAX} characters")
    try:
        head, payload, signature = (unb64url(part) for part in parts)
    except ValueError:
        raise MalformedError(what=kind.what, reason="it is not clean base64url, so it is damaged") from None
    if len(signature) != 64:
        raise MalformedError(what=kind.what, reason="its signature is cut off")
    header = decode_strict(_header_decoder, head, kind.what)
    if header.typ != kind.typ:
        raise MalformedError(what=kind.what, reason=f"this is a {header.typ}, expected is a {kind.typ}")
    return header, payload


def _check_length(kind: DocumentKind[Any], token: str) -> None:
    if len(token) > kind.bytes_max:
        raise MalformedError(what=kind.what, reason=f"it is longer than {kind.bytes_max} bytes")


def _check_signature(kind: DocumentKind[Any], token: str, key: OKPKey) -> None:
    try:
        jws.deserialize_compact(token, key, registry=_registry)
    except (JoseError, ValueError):
        raise BadSignatureError(what=kind.what) from None


class TokenSigner(Generic[_Claims]):
    """Signs many documents of one kind with one key: constant header, one signature call (the host's hot path).

    Byte for byte what `sign` makes; the tests hold that, with the library as independent reader.
    """

    def __init__(self, kind: DocumentKind[_Claims], key: SigningKey) -> None:
        self._head = b64url(encode(header_of(kind, key.kid))) + "."
        self._key = key

    def sign(self, claims: _Claims) -> str:
        """`claims` as a compact JWS."""
        said = self._head + b64url(encode(claims))
        return f"{said}.{b64url(self._key.sign_bytes(said.encode('ascii')))}"
