"""The wire of port 1688 and its decoders. Only `MalformedError` may escape a decoder, whatever the bytes.

Specified in `spec/protocol.md`. Unknown fields are refused, types are exact (`25.0` and `"25"` are no integers), every
text and number has a bound.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from quorate.core.ids import Cmid, Commit, Link, MachineName, Nonce, Reveal, ShownText, Slug
from quorate.errors import (
    BY_CODE,
    MalformedError,
    MalformedRequestError,
    QuorateError,
    UnsupportedVersionError,
)

__all__ = [
    "BODY_BYTES_MAX",
    "PROTOCOL_VERSION",
    "REVEALS_MAX",
    "ActivationRequest",
    "Answer",
    "EnrolmentProof",
    "HostDescription",
    "LicenseStatus",
    "Minutes",
    "ProbeResult",
    "Problem",
    "TimeS",
    "decode_answer",
    "decode_problem",
    "decode_request",
    "decode_strict",
    "encode",
]

PROTOCOL_VERSION = 1
BODY_BYTES_MAX = 4096  # ten times a usual request (about 400 bytes); what is larger is something else
SIGNED_STATUS = 200  # a refusal that a host signs travels with it (INTERFACE, "HTTP")
REVEALS_MAX = 4  # a database brought back from the day before still knows one of them
ANSWER_BYTES_MAX = 64 * 1024  # an answer is about 2 KiB; a host that sends more is not one of ours

TimeS = Annotated[int, Meta(ge=0, le=253_402_300_799, description="seconds since 1970 UTC, up to the year 9999")]
Minutes = Annotated[int, Meta(ge=0, le=5_256_000, description="minutes, at most ten years")]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
_Version = Annotated[int, Meta(ge=0, le=1_000_000)]
EnrolmentProof = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z", description="32 bytes, base64url without padding")
]
_Told = Annotated[str, Meta(max_length=2000)]  # what another machine says in a problem; made showable by `_one_line`


class LicenseStatus(StrEnum):
    """A client's state, as Windows names them (`core.lifecycle` says how it moves between them)."""

    UNLICENSED = "unlicensed"
    INITIAL_GRACE = "initial_grace"
    LICENSED = "licensed"
    ADDITIONAL_GRACE = "additional_grace"
    NOTIFICATION = "notification"


class ActivationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/activate` and `POST /v1/probe`: one question of one client, about 400 bytes.

    `expires_in_min` is what slmgr calls minutes to expiration: until the end of the present state, 0 when it has none.
    `enrolment` (`core.enrolment`) is left out where the client was given no secret: a host of before refuses it.
    `commit`, `reveals` (`core.proof`) are left out by a client that keeps no secret, and for such a host.
    """

    v: _Version
    edition: Slug
    cmid: Cmid
    machine: MachineName
    status: LicenseStatus
    time_s: TimeS
    nonce: Nonce
    expires_in_min: Minutes = 0
    vm: bool = False
    previous_cmid: Cmid | None = None
    link: Link | None = None
    enrolment: EnrolmentProof | UnsetType = UNSET
    commit: Commit | UnsetType = UNSET
    reveals: Annotated[tuple[Reveal, ...], Meta(max_length=REVEALS_MAX)] | UnsetType = UNSET


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The host's reply: a lease or a refusal, the certificate that lets it speak, and the revocation list's number."""

    answer: Annotated[str, Meta(max_length=8192)]
    host_certificate: Annotated[str, Meta(max_length=8192)]
    revocations: Annotated[int, Meta(ge=0, le=2**53 - 1)]


class ProbeResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Would this client be activated now? Unsigned and not counted: a diagnosis, not a promise.

    `count` includes the asking client, as if it had been heard.
    """

    would_activate: bool
    code: _Told | None
    message: _Told
    count: Count
    threshold: Count
    host_time_s: TimeS


class HostDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`GET /v1/host`: who is this host. The certificate is the only part that proves anything."""

    service: ShownText
    version: ShownText
    protocol: Annotated[tuple[_Version, ...], Meta(max_length=16)]
    host_id: ShownText
    activated: bool
    host_certificate: Annotated[str, Meta(max_length=8192)] | None
    products: Annotated[tuple[ShownText, ...], Meta(max_length=1024)]
    time_s: TimeS


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A fault no host identity can sign, as RFC 9457 problem details (`application/problem+json`)."""

    type: _Told
    title: _Told
    status: Annotated[int, Meta(ge=100, le=599)]
    detail: _Told
    code: _Told
    hint: _Told
    hresult: _Told | None = None
    retry_after_s: Annotated[int, Meta(ge=0, le=2**31)] | None = None

    @classmethod
    def of(cls, error: QuorateError) -> Problem:
        """The problem that carries `error`."""
        retry = error.values.get("retry_after_s")
        return cls(
            type=f"urn:quorate:error:{error.code}",
            title=error.code.replace("_", " ").capitalize(),
            status=error.http_status,
            detail=_one_line(error.message),
            code=error.code,
            hint=_one_line(error.hint),
            hresult=error.hresult_text,
            retry_after_s=retry if isinstance(retry, int) else None,
        )

    def error(self) -> QuorateError | None:
        """The error this problem carries, or None when its code is not one of ours, or is one that a host signs:
        unsigned it proves nothing."""
        kind = BY_CODE.get(self.code)
        if kind is None or kind.http_status == SIGNED_STATUS:
            return None
        return kind.carried(_one_line(self.detail), _one_line(self.hint))


_LONG_PATTERN = re.compile(r"matching regex '.{80,}'")

_T = TypeVar("_T")
_encoder = msgspec.json.Encoder()
_BAD_BYTES = (msgspec.MsgspecError, ValueError, RecursionError)  # ValueError: bad UTF-8 among others


class _AnyVersion(msgspec.Struct, frozen=True):
    v: _Version


_version_decoder = msgspec.json.Decoder(_AnyVersion)
_request_decoder = msgspec.json.Decoder(ActivationRequest)
_answer_decoder = msgspec.json.Decoder(Answer)
_problem_decoder = msgspec.json.Decoder(Problem)


def encode(message: Any) -> bytes:
    """JSON of any message or document of ours; fields in their written order, no white space."""
    return _encoder.encode(message)


def decode_request(body: bytes) -> ActivationRequest:
    """An activation request.

    Raises:
        MalformedRequestError: anything that is not exactly one well-formed request.
        UnsupportedVersionError: well-formed, of a version not known here.
    """
    try:
        request = _request_decoder.decode(body)
        _check_names_once(body, request)
    except _BAD_BYTES as fault:
        _refuse_other_version(body)
        raise MalformedRequestError(reason=_plain(fault)) from None
    if request.v != PROTOCOL_VERSION:
        raise UnsupportedVersionError(version=request.v)
    return request


def decode_answer(body: bytes) -> Answer:
    """A host's reply.

    Raises:
        MalformedError: anything else.
    """
    return decode_strict(_answer_decoder, body, "the host's answer")


def decode_problem(body: bytes) -> Problem:
    """Problem details.

    Raises:
        MalformedError: anything else.
    """
    return decode_strict(_problem_decoder, body, "the host's problem report")


def decode_strict(decoder: msgspec.json.Decoder[_T], data: bytes, what: str) -> _T:
    """`data` through `decoder`.

    Raises:
        MalformedError: whatever is wrong with the bytes, `what` in the message. A name that stands twice in one object
            is wrong too: two readers could take different ones (RFC 7515, section 4; RFC 7493, section 2.3).
    """
    try:
        decoded = decoder.decode(data)
        _check_names_once(data, decoded)
    except _BAD_BYTES as fault:
        raise MalformedError(what=what, reason=_plain(fault)) from None
    return decoded


def _check_names_once(data: bytes, decoded: Any) -> None:
    """No name stands twice in one object of `data`, which says `decoded`.

    Our own encoder never writes a name twice, so what is to the byte what it would write is good, at a fraction of what
    reading it a second time costs: the messages of our own clients and hosts are.
    """
    if _encoder.encode(decoded) != data:
        json.loads(data.decode("utf-8"), object_pairs_hook=_once)  # of bytes it would take a surrogate's three


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return members


def _refuse_other_version(body: bytes) -> None:
    # A request of a later version has fields that are not known here; "update" is then the right advice.
    try:
        version = decode_strict(_version_decoder, body, "the request").v
    except MalformedError:
        return
    if version != PROTOCOL_VERSION:
        raise UnsupportedVersionError(version=version)


def _one_line(text: str) -> str:
    """Text of another machine, fit to be shown: no control characters (a terminal would obey them), bounded."""
    return "".join(c if c.isprintable() else " " for c in text[:1000])


def _plain(fault: Exception) -> str:
    # msgspec names the place (`$.time_s`) and never repeats the value, so this is safe to show; bounded all the same.
    # A long pattern says nothing to people, and would leave no room for the place behind it.
    return _one_line(_LONG_PATTERN.sub("as specified", str(fault)).replace("`", "'"))[:200]
