"""A product file or a `publisher.jwks` in hostile hands: no client is made of it, and none made before is moved.

What ships with the software is trusted without proof, as far as it is of one piece: the product file must be signed by
a key that may sign documents in the set beside it, and the set must be one that can go on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate import Client
from quorate.core.documents import PRODUCT, sign
from quorate.core.messages import encode
from quorate.errors import BadSignatureError, MalformedError, NotKnownError, UnknownPublisherError
from tests.client.parties import Installation, ScriptedHost
from tests.support.documents import signing_key
from tests.support.forgery import ATTACKER
from tests.support.hostile import NAMES, bent_json, bent_tokens

FORGED = (MalformedError, BadSignatureError, UnknownPublisherError)
OF_DOCUMENTS = [name for name in NAMES if name in bent_tokens(PRODUCT.typ, b'{"v":1,"iss":"A"}', ATTACKER)]


def public(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A key as it stands in a set; 1 is the publisher's."""
    jwk: dict[str, Any] = msgspec.to_builtins(signing_key(number).public())
    return {name: value for name, value in (jwk | changes).items() if value is not ...}


SETS: dict[str, object] = {
    "of another publisher": {"keys": [public(66)]},
    "root keys alone": {"keys": [public(role="root")]},
    "issuing keys alone": {"keys": [public(role="issuing")]},
    "the signer as root": {"keys": [public(role="root"), public(2)]},
    "a key twice": {"keys": [public(), public()]},
    "a key twice, in two roles": {"keys": [public(role="issuing"), public(role="root")]},
    "a private key": {"keys": [public(d="A" * 43)]},
    "a shared secret": {"keys": [{"kty": "oct", "k": "AAAA", "alg": "HS256"}]},
    "a key of small order": {"keys": [public(x="AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", kid=...)]},
    "another's kid": {"keys": [public(kid=ATTACKER.kid)]},
    "a kid of null": {"keys": [public(kid=None)]},
    "no keys": {"keys": []},
    "seventeen keys": {"keys": [public(number) for number in range(1, 18)]},
    "version 0": {"keys": [public()], "version": 0},
    "version 1001": {"keys": [public()], "version": 1001},
    "a list": [public()],
    "a key alone": public(),
    "something more": {"keys": [public()], "next": []},
}


def refused(here: Installation) -> None:
    with pytest.raises(FORGED):
        here.client()
    assert not here.state_dir.exists()


@pytest.mark.parametrize("name", SETS)
def test_no_client_is_made_of_a_bad_key_set(here: Installation, name: str) -> None:
    here.trust.write_text(json.dumps(SETS[name]))
    refused(here)


def test_no_client_is_made_of_a_key_set_that_is_no_json(here: Installation) -> None:
    good = here.trust.read_bytes()
    for data in (
        b"",
        good[:-2],
        good * 2,
        b"[" * 5000,
        b"\x00" * 100,
        b"-----BEGIN PUBLIC KEY-----",
    ):
        here.trust.write_bytes(data)
        refused(here)
    for bent in bent_json(b'{"v":1,' + good[1:])["duplicate JSON keys"]:
        here.trust.write_bytes(bent.replace(b'"v"', b'"version"'))
        refused(here)


@pytest.mark.parametrize("name", OF_DOCUMENTS)
def test_no_client_is_made_of_a_bent_product_file(here: Installation, name: str) -> None:
    for token in bent_tokens(PRODUCT.typ, encode(here.world.product), here.world.publisher_key)[name]:
        here.product.write_text(token)
        refused(here)


def test_no_client_is_made_of_another_document(here: Installation) -> None:
    for token in (here.world.certificate_token(), here.world.jwks.decode(), "publisher.jwks", ""):
        here.product.write_text(token)
        refused(here)


def test_a_client_that_was_made_before_keeps_its_record(here: Installation, licensed: Client) -> None:
    record = here.record.read_bytes()
    here.trust.write_text(json.dumps(SETS["root keys alone"]))
    with pytest.raises(MalformedError):
        here.client()
    assert here.record.read_bytes() == record
    assert licensed.status().status.value == "licensed"  # it goes by what it has read


def test_a_product_file_of_the_same_name_with_other_editions_moves_nobody(
    here: Installation, host: ScriptedHost, licensed: Client, tmp_path: Path
) -> None:
    editions = tuple(each for each in here.world.product.editions if each.id.endswith("server"))
    other = msgspec.structs.replace(here.world.product, editions=editions)
    record = here.record.read_bytes()
    here.product.write_text(sign(PRODUCT, other, here.world.publisher_key))
    with pytest.raises(NotKnownError):
        here.client(host, edition="acme-cad-pro").activate()
    assert here.record.read_bytes() == record
