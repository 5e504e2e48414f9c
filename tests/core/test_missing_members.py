"""A document says everything itself: a reader's defaults never fill in for the signer (spec/protocol.md, section 2)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jws

from quorate.core.documents import HOST_REQUEST, PRODUCT, DocumentKind, header_of, read, read_host_request
from quorate.core.lease import LEASE
from quorate.core.messages import encode
from quorate.errors import MalformedError
from tests.support.documents import World

WORLD = World()


def signed(kind: DocumentKind[Any], claims: dict[str, Any], key: Any) -> str:
    """Signed with the right key all the same: only the shape is wrong."""
    return jws.serialize_compact(header_of(kind, key.kid), json.dumps(claims), key._key, algorithms=["Ed25519"])


@pytest.mark.parametrize("member", ["v", "covers", "service"])
def test_a_product_file_without_a_member_is_malformed(member: str) -> None:
    claims = json.loads(encode(WORLD.product))
    read(PRODUCT, signed(PRODUCT, claims, WORLD.publisher_key), WORLD.anchor.keys)
    del claims[member]
    with pytest.raises(MalformedError, match="a member is missing"):
        read(PRODUCT, signed(PRODUCT, claims, WORLD.publisher_key), WORLD.anchor.keys)


@pytest.mark.parametrize("member", sorted(json.loads(encode(WORLD.product.policy))))
def test_no_number_of_the_policy_is_taken_for_granted(member: str) -> None:
    claims = json.loads(encode(WORLD.product))
    del claims["policy"][member]
    with pytest.raises(MalformedError, match="a member is missing"):
        read(PRODUCT, signed(PRODUCT, claims, WORLD.publisher_key), WORLD.anchor.keys)


@pytest.mark.parametrize("member", ["v", "intervals"])
def test_a_lease_without_a_member_is_malformed(member: str) -> None:
    claims = json.loads(encode(WORLD.lease()))
    read(LEASE, signed(LEASE, claims, WORLD.host_key), WORLD.host_key.verify_keys())
    claims[member] = {} if member == "intervals" else None
    if member == "v":
        del claims["v"]
    with pytest.raises(MalformedError, match="a member is missing"):
        read(LEASE, signed(LEASE, claims, WORLD.host_key), WORLD.host_key.verify_keys())


def test_a_key_with_a_null_member_is_malformed() -> None:
    claims = json.loads(encode(WORLD.host_request()))
    read_host_request(signed(HOST_REQUEST, claims, WORLD.host_key))
    claims["jwk"]["kid"] = None
    with pytest.raises(MalformedError):
        read_host_request(signed(HOST_REQUEST, claims, WORLD.host_key))
