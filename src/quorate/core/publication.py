"""What a publisher's activation service answers over HTTP (spec/protocol.md, section 11). Nothing in it has to be
believed: every member is a signed document, to be checked as always."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from quorate.core.messages import decode_strict
from quorate.core.revocation import REVOCATIONS
from quorate.core.succession import VERSION_MAX

__all__ = [
    "ACTIVATION_BYTES_MAX",
    "HostActivation",
    "PublishedRevocations",
    "PublishedTrust",
    "decode_activation",
    "decode_revocations",
    "decode_trust",
]

ACTIVATION_BYTES_MAX: Final = 4 * 1024 * 1024  # the longest list, the longest chain, a certificate, and some air

_Chain = Annotated[tuple[Annotated[str, Meta(max_length=8192)], ...], Meta(max_length=VERSION_MAX)]
_List = Annotated[str, Meta(max_length=REVOCATIONS.bytes_max)]


class HostActivation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/activate-host`: the certificate, and what has to be known to check it and to go on."""

    host_certificate: Annotated[str, Meta(max_length=8192)]
    trust: _Chain
    revocations: _List | None


class PublishedTrust(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`GET /v1/trust`: every trust document, version 2 first (`core.succession.follow_chain`)."""

    trust: _Chain


class PublishedRevocations(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`GET /v1/revocations`: the newest list, null where there never was one."""

    revocations: _List | None


_activation_decoder = msgspec.json.Decoder(HostActivation)
_trust_decoder = msgspec.json.Decoder(PublishedTrust)
_revocations_decoder = msgspec.json.Decoder(PublishedRevocations)


def decode_activation(body: bytes) -> HostActivation:
    """The answer to a host's request. Raises MalformedError: anything else."""
    return decode_strict(_activation_decoder, body, "the publisher's answer")


def decode_trust(body: bytes) -> PublishedTrust:
    """The trust documents. Raises MalformedError: anything else."""
    return decode_strict(_trust_decoder, body, "the publisher's answer")


def decode_revocations(body: bytes) -> PublishedRevocations:
    """The revocation list. Raises MalformedError: anything else."""
    return decode_strict(_revocations_decoder, body, "the publisher's answer")
