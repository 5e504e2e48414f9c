"""A stolen root key, seen from a client: who followed the publisher is safe, who followed the thief needs new software.

The page is docs/explanation/threat-model.md, "When the root key is stolen".
"""

from __future__ import annotations

import pytest

from quorate import Client
from quorate.core.documents import PRODUCT, SigningKey, sign
from quorate.core.keys import JwkSet
from quorate.core.messages import encode
from quorate.core.policy import DAY_S
from tests.client.carried import FIRST_KEY, NEXT_KEY, carry_chain, public, trust
from tests.client.parties import Installation, ScriptedHost, fails
from tests.support.documents import signing_key
from tests.support.forgery import ATTACKER

ROOT, NEXT_ROOT = signing_key(20), signing_key(22)
SHIPPED = JwkSet((public(ROOT, "root"), public(FIRST_KEY, "issuing")))
TRUE = trust(2, [public(NEXT_ROOT, "root"), public(NEXT_KEY, "issuing")], ROOT)
THIEFS = trust(2, [public(ROOT, "root"), public(ATTACKER, "issuing")], ROOT)
THIEFS_NEXT = trust(3, [public(ROOT, "root"), public(ATTACKER, "issuing")], ROOT)


@pytest.fixture
def client(here: Installation, host: ScriptedHost) -> Client:
    here.trust.write_bytes(encode(SHIPPED))
    here.product.write_text(sign(PRODUCT, here.world.product, FIRST_KEY))
    made = here.client(host)
    made.activate()
    here.clock.advance(7 * DAY_S)
    return made


def follow(here: Installation, host: ScriptedHost, client: Client, signer: SigningKey, *chain: str) -> None:
    """A renewal at a host that carries this chain and has a certificate by its last key."""
    carry_chain(host, *chain)
    host.certificate = host.world.certificate_token(signer)
    assert client.activate().code is None
    here.clock.advance(7 * DAY_S)


def test_a_client_that_followed_the_publisher_refuses_the_old_root_and_all_it_names(
    here: Installation, host: ScriptedHost, client: Client
) -> None:
    follow(here, host, client, NEXT_KEY, TRUE)
    for chain in ((THIEFS,), (TRUE, THIEFS_NEXT), (THIEFS, THIEFS_NEXT)):
        carry_chain(host, *chain)
        host.certificate = host.world.certificate_token(ATTACKER)
        assert fails(client).code == "UNKNOWN_PUBLISHER"
    host.certificate = host.world.certificate_token(ROOT)
    assert fails(client).code == "RETIRED_KEY"


def test_a_client_that_met_the_thief_first_is_mended_by_software_with_the_new_keys(
    here: Installation, host: ScriptedHost, client: Client
) -> None:
    follow(here, host, client, ATTACKER, THIEFS, THIEFS_NEXT)
    carry_chain(host, TRUE)
    host.certificate = host.world.certificate_token(NEXT_KEY)
    assert fails(client).code == "UNKNOWN_PUBLISHER"  # by itself it does not come back
    here.trust.write_bytes(encode(JwkSet((public(NEXT_ROOT, "root"), public(NEXT_KEY, "issuing")), 2)))
    here.product.write_text(sign(PRODUCT, here.world.product, NEXT_KEY))
    updated = here.client(host)
    assert updated.activate().code is None
    host.certificate = host.world.certificate_token(ATTACKER)
    carry_chain(host, THIEFS, THIEFS_NEXT)
    assert fails(updated).code == "UNKNOWN_PUBLISHER"
