"""A hostile host at its publisher's, attack by attack (tests/support/hostile.py): no certificate, nothing used up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import pytest

from quorate.core.documents import HOST_CERTIFICATE, HOST_REQUEST, HostCertificate, sign
from quorate.core.ids import ProductKey, b64url, key_proof
from quorate.core.messages import encode
from quorate.core.policy import DAY_S
from quorate.core.publication import decode_activation
from quorate.core.succession import read_issued
from quorate.publisher.blocklist import Kind
from quorate.publisher.issue import Publisher
from tests.publisher.test_activation_api import Answer, Service, serving
from tests.publisher.world import AskingHost, write_source
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import cmid_of
from tests.support.hostile import NAMES, bent_tokens

OTHER = """
id = "other"
name = "Other"
group = "other"

[[edition]]
id = "other-pro"
name = "Other Professional"
class = "client"
"""


@dataclass
class Scene:
    """A publisher that serves, a host key of one of its groups, and the host that has it."""

    publisher: Publisher
    service: Service
    clock: ManualClock
    key: ProductKey
    host: AskingHost

    def refuses(self, request: str | bytes, *codes: str) -> None:
        answer = self.service.activate(request)
        assert (answer.status, answer.code in codes) in ((400, True), (403, True)), (answer.status, answer.body[:200])

    def certificate(self, answer: Answer) -> HostCertificate:
        assert answer.status == 200, answer.body
        return read_issued(HOST_CERTIFICATE, decode_activation(answer.body).host_certificate, self.publisher.trust)

    def used(self) -> list[tuple[str, int]]:
        return [(each.host_id, each.activations) for each in self.publisher.hosts()]


@pytest.fixture
def scene(publisher: Publisher, clock: ManualClock) -> Iterator[Scene]:
    publisher.add_product(write_source(publisher.state_dir.parent, OTHER, "other.toml"))
    key = publisher.issue_host_key("Contoso", ["acme"], hosts=2)
    with serving(publisher, clock) as service:
        yield Scene(publisher, service, clock, key, AskingHost(1))


FORM: Final = ("MALFORMED_DOCUMENT", "BAD_SIGNATURE", "MALFORMED_REQUEST")


def bent(name: str) -> Callable[[Scene], None]:
    """Its request, bent as the name says."""

    def attack(scene: Scene) -> None:
        payload = encode(scene.host.claims(scene.key))
        for token in bent_tokens(HOST_REQUEST.typ, payload, scene.host.signing_key)[name]:
            scene.refuses(token, *FORM)
        assert scene.used() == []
        assert scene.certificate(scene.service.activate(scene.host.request(scene.key))).host_id == scene.host.host_id

    return attack


def replayed(scene: Scene) -> None:
    """The same request uses nothing up, whoever sends it, and nothing at all once the host is revoked."""
    request = scene.host.request(scene.key)
    first = scene.service.activate(request)
    scene.clock.advance(30 * DAY_S)
    assert scene.certificate(scene.service.activate(request)) == scene.certificate(first)
    assert scene.used() == [(scene.host.host_id, 1)]
    scene.publisher.revoke(Kind.HOST, scene.host.host_id, "sold")
    scene.refuses(request, "HOST_REVOKED")


def reordered(scene: Scene) -> None:
    """An older request that comes last gets its own certificate, not that of the newer one."""
    older, newer = scene.host.request(scene.key), scene.host.request(scene.key)
    second = scene.certificate(scene.service.activate(newer))
    first = scene.certificate(scene.service.activate(older))
    assert first.request_id != second.request_id
    assert scene.certificate(scene.service.activate(newer)) == second


def cross_product(scene: Scene) -> None:
    """A certificate has the groups of its host key, and no others."""
    certificate = scene.certificate(scene.service.activate(scene.host.request(scene.key)))
    assert certificate.groups == ("acme",)
    other = scene.publisher.issue_host_key("Contoso", ["other"])
    claims = scene.host.claims(scene.key)
    swapped = msgspec.structs.replace(claims, key_id=other.key_id)  # its own key's proof, under the other's name
    scene.refuses(sign(HOST_REQUEST, swapped, scene.host.signing_key), "PRODUCT_KEY_UNPROVEN")


def cross_host(scene: Scene) -> None:
    """A proof is for one host id, one signing key and one request: another host's opens nothing."""
    theirs = scene.host.claims(scene.key)
    thief = AskingHost(2)
    stolen = msgspec.structs.replace(thief.claims(scene.key), key_proof=theirs.key_proof)
    scene.refuses(sign(HOST_REQUEST, stolen, thief.signing_key), "PRODUCT_KEY_UNPROVEN")
    renamed = msgspec.structs.replace(theirs, host_id=cmid_of(9))
    scene.refuses(sign(HOST_REQUEST, renamed, scene.host.signing_key), "PRODUCT_KEY_UNPROVEN")
    taken_over = msgspec.structs.replace(theirs, jwk=thief.signing_key.public())
    scene.refuses(sign(HOST_REQUEST, taken_over, thief.signing_key), "PRODUCT_KEY_UNPROVEN")
    assert scene.used() == []


def expired(scene: Scene) -> None:
    """A host key that has ended activates nobody, and no certificate outlasts it."""
    short = scene.publisher.issue_host_key("Contoso", ["acme"], expires_s=scene.clock.now_s() + DAY_S)
    assert scene.certificate(scene.service.activate(scene.host.request(short))).expires_s == START_S + DAY_S
    scene.clock.advance(DAY_S)
    scene.refuses(AskingHost(2).request(short), "PRODUCT_KEY_EXPIRED")


def not_yet_valid(scene: Scene) -> None:
    """The time a host says is nobody's word: a certificate begins and ends by the publisher's clock."""
    for said_s in (0, START_S + 900 * DAY_S, 253_402_300_799):
        claims = msgspec.structs.replace(scene.host.claims(scene.key), issued_s=said_s)
        proof = key_proof(scene.key.verifier, claims.host_id, scene.host.signing_key.kid, claims.request_id)
        token = sign(HOST_REQUEST, msgspec.structs.replace(claims, key_proof=proof), scene.host.signing_key)
        certificate = scene.certificate(scene.service.activate(token))
        assert (certificate.issued_s, certificate.expires_s) == (START_S, START_S + 730 * DAY_S)


ATTACKS: Final[dict[str, Callable[[Scene], None]]] = {
    **{name: bent(name) for name in NAMES},
    "replayed": replayed,
    "reordered": reordered,
    "cross-product": cross_product,
    "cross-CMID": cross_host,  # what a CMID is to a host, a host id is to a publisher
    "expired": expired,
    "not yet valid": not_yet_valid,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_host_gets_nothing_from_its_publisher(scene: Scene, name: str) -> None:
    ATTACKS[name](scene)


def test_a_key_that_was_guessed_is_no_key(scene: Scene) -> None:
    guessed = ProductKey.from_entropy(bytes(range(1, 33)))
    scene.refuses(scene.host.request(guessed), "PRODUCT_KEY_UNKNOWN")
    scene.refuses(scene.host.request(scene.key, proof=b64url(bytes(32))), "PRODUCT_KEY_UNPROVEN")
