"""A host's papers: the road to activation, every wrong turn of it, and files that are never half written."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate.core.documents import HOST_REQUEST, PRODUCT, Edition, read_host_request, sign
from quorate.core.ids import key_proof
from quorate.core.policy import DAY_S, MachineClass
from quorate.errors import (
    BadSignatureError,
    FileAccessError,
    HostCertificateExpiredError,
    HostCertificateNotYetValidError,
    HostKeyMissingError,
    HostNotActivatedError,
    MalformedError,
    ProductConflictError,
    ProductKeyInvalidError,
    ProductNotCoveredError,
    StateExistsError,
    StateMissingError,
    UnknownPublisherError,
    WrongConfirmationError,
)
from quorate.host.identity.keyring import PENDING_MAX, HostKeyring
from quorate.host.settings.paths import StatePaths
from tests.support.clocks import START_S, ManualClock, SeededEntropy
from tests.support.documents import World, signing_key
from tests.support.hosting import certificate_for

WORLD = World()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keyring(tmp_path: Path, clock: ManualClock) -> HostKeyring:
    return HostKeyring.create(StatePaths(tmp_path / "host"), WORLD.product_token, WORLD.jwks, clock, SeededEntropy())


@pytest.fixture
def asked(keyring: HostKeyring) -> str:
    """A request that waits for its confirmation."""
    keyring.install_key(WORLD.product_key.text)
    return keyring.make_request("kms.contoso.example")


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_secrets_are_for_their_owner_alone(keyring: HostKeyring, asked: str) -> None:
    root = keyring.paths.root
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    for name in ("host.key", "product.key", "admin.token"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o600
    assert WORLD.product_key.text not in asked
    assert WORLD.product_key.text not in repr(keyring.product_key())


def test_init_twice_changes_nothing(keyring: HostKeyring, clock: ManualClock) -> None:
    before = content_of(keyring.paths.root)
    with pytest.raises(StateExistsError):
        HostKeyring.create(keyring.paths, WORLD.product_token, WORLD.jwks, clock, SeededEntropy(2))
    assert content_of(keyring.paths.root) == before


def test_init_wants_a_product_file_of_that_publisher(tmp_path: Path, clock: ManualClock) -> None:
    paths = StatePaths(tmp_path / "host")
    other = World(publisher_key=signing_key(9))
    for token, jwks, refused in (
        (other.product_token, WORLD.jwks, UnknownPublisherError),
        (WORLD.product_token[:-8] + "AAAAAAAA", WORLD.jwks, (BadSignatureError, MalformedError)),
        (WORLD.certificate_token(), WORLD.jwks, MalformedError),
        (WORLD.product_token, b"{}", MalformedError),
    ):
        with pytest.raises(refused):
            HostKeyring.create(paths, token, jwks, clock, SeededEntropy())
        assert not paths.root.exists()


def test_s01_no_key_no_request_no_activation(keyring: HostKeyring) -> None:
    with pytest.raises(HostKeyMissingError):
        keyring.make_request("kms")
    with pytest.raises(HostNotActivatedError):
        keyring.credentials().in_force(START_S)


def test_a_typing_mistake_in_the_key_is_told_and_keeps_the_former_key(keyring: HostKeyring) -> None:
    keyring.install_key(WORLD.product_key.text.lower().replace("-", " "))
    typo = WORLD.product_key.text[:-1] + ("2" if WORLD.product_key.text[-1] != "2" else "3")
    with pytest.raises(ProductKeyInvalidError, match="typing mistake"):
        keyring.install_key(typo)
    assert keyring.product_key() == WORLD.product_key


def test_a_request_proves_the_host_key_without_telling_it(keyring: HostKeyring, asked: str) -> None:
    request = read_host_request(asked)
    key = WORLD.product_key
    assert (request.host_id, request.machine) == (keyring.host_id, "kms.contoso.example")
    assert (request.key_id, request.last_five) == (key.key_id, key.last_five)
    kid = request.jwk.key().thumbprint()
    assert request.key_proof == key_proof(key.verifier, keyring.host_id, kid, request.request_id)


def test_s01_the_publishers_confirmation_activates_the_host(keyring: HostKeyring, asked: str) -> None:
    token = certificate_for(WORLD, asked, START_S)
    assert keyring.activate(f"\n{token}\r\n").customer == "Contoso"
    certificate, told = keyring.credentials().in_force(START_S)
    assert (certificate.groups, told) == (("acme",), token)


def test_the_same_confirmation_again_is_no_mistake(keyring: HostKeyring, asked: str) -> None:
    token = certificate_for(WORLD, asked, START_S)
    assert keyring.activate(token) == keyring.activate(token)


def test_a_confirmation_works_once_for_its_request_and_another_needs_another(keyring: HostKeyring, asked: str) -> None:
    keyring.activate(certificate_for(WORLD, asked, START_S))
    with pytest.raises(WrongConfirmationError, match="no request made here waits"):
        keyring.activate(certificate_for(WORLD, asked, START_S + 1))
    renewed = certificate_for(WORLD, keyring.make_request("kms"), START_S, customer="Contoso Ltd")
    assert keyring.activate(renewed).customer == "Contoso Ltd"


@pytest.mark.parametrize(
    ("changes", "refused", "words"),
    [
        ({"host_id": "11111111-2222-4333-8444-555555555555"}, WrongConfirmationError, "names host 11111111"),
        ({"jwk": signing_key(7).public()}, WrongConfirmationError, "another signing key"),
        ({"request_id": "A" * 22}, WrongConfirmationError, "no request made here"),
        ({"groups": ("other",)}, ProductNotCoveredError, "acme-cad"),
        ({"issued_s": START_S - 9, "expires_s": START_S}, HostCertificateExpiredError, "ended on"),
        ({"issued_s": START_S + DAY_S}, HostCertificateNotYetValidError, "begins on"),
    ],
)
def test_a_confirmation_for_somebody_else_or_some_other_time_is_refused(
    keyring: HostKeyring, asked: str, changes: dict[str, Any], refused: type[Exception], words: str
) -> None:
    with pytest.raises(refused, match=words):
        keyring.activate(certificate_for(WORLD, asked, START_S, **changes))
    assert not keyring.paths.certificate.exists()


def test_a_confirmation_of_another_publisher_or_a_forged_one_is_refused(keyring: HostKeyring, asked: str) -> None:
    with pytest.raises(UnknownPublisherError):
        keyring.activate(certificate_for(World(publisher_key=signing_key(9)), asked, START_S))
    head, payload, signature = certificate_for(WORLD, asked, START_S).split(".")
    with pytest.raises(BadSignatureError):
        keyring.activate(f"{head}.{payload}.{'B' * 85}{signature[85:]}")


def test_the_wrong_kind_of_file_is_told_by_its_kind(keyring: HostKeyring, asked: str) -> None:
    with pytest.raises(MalformedError, match="the request itself"):
        keyring.activate(asked)
    with pytest.raises(MalformedError, match=r"product\+jwt"):
        keyring.activate(WORLD.product_token)
    with pytest.raises(MalformedError, match="not a compact JWS"):
        keyring.activate("hello")


def test_a_certificate_is_in_force_until_its_last_second(keyring: HostKeyring, asked: str) -> None:
    keyring.activate(certificate_for(WORLD, asked, START_S))
    credentials = keyring.credentials()
    credentials.in_force(START_S + 730 * DAY_S - 1)
    with pytest.raises(HostCertificateExpiredError):
        credentials.in_force(START_S + 730 * DAY_S)
    credentials.in_force(START_S - 4 * 3600)  # the host's clock may be a little slow
    with pytest.raises(HostCertificateNotYetValidError):
        credentials.in_force(START_S - 4 * 3600 - 1)


def test_requests_that_were_never_confirmed_are_forgotten_oldest_first(keyring: HostKeyring, asked: str) -> None:
    for _ in range(PENDING_MAX):
        newest = keyring.make_request("kms")
    assert len(list(keyring.paths.requests.iterdir())) == PENDING_MAX
    with pytest.raises(WrongConfirmationError):
        keyring.activate(certificate_for(WORLD, asked, START_S))
    keyring.activate(certificate_for(WORLD, newest, START_S))


def product(world: World = WORLD, **changes: Any) -> str:
    return sign(PRODUCT, msgspec.structs.replace(world.product, **changes), world.publisher_key)


def test_a_newer_product_file_replaces_and_an_older_one_does_not(keyring: HostKeyring) -> None:
    newer = product(issued_s=START_S, name="Acme CAD 2")
    keyring.add_product(newer)
    [known] = keyring.credentials().products
    assert known.name == "Acme CAD 2"
    with pytest.raises(ProductConflictError, match="newer"):
        keyring.add_product(WORLD.product_token)
    [known] = keyring.credentials().products
    assert known.name == "Acme CAD 2"


def test_two_products_cannot_claim_one_edition(keyring: HostKeyring) -> None:
    with pytest.raises(ProductConflictError, match="acme-cad already has edition"):
        keyring.add_product(product(product="acme-two"))
    edition = Edition(id="acme-two-pro", name="Two", machine_class=MachineClass.CLIENT)
    stamp = keyring.stamp()
    keyring.add_product(product(product="acme-two", editions=(edition,)))
    assert keyring.stamp() != stamp
    assert [each.product for each in keyring.credentials().products] == ["acme-cad", "acme-two"]


def test_a_product_of_another_publisher_is_refused(keyring: HostKeyring) -> None:
    with pytest.raises(UnknownPublisherError):
        keyring.add_product(product(World(publisher_key=signing_key(9)), product="evil"))


@pytest.mark.parametrize("name", ["host.key", "host.json", "publisher.jwks", "products/acme-cad.product", "host.cert"])
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\x00", b"{}", b"x" * 300_000])
def test_a_damaged_file_is_named_never_guessed_around(
    keyring: HostKeyring, asked: str, clock: ManualClock, name: str, damage: bytes
) -> None:
    keyring.activate(certificate_for(WORLD, asked, START_S))
    (keyring.paths.root / name).write_bytes(damage)
    with pytest.raises((MalformedError, UnknownPublisherError)):
        HostKeyring(keyring.paths, clock, SeededEntropy()).credentials()


def test_a_key_file_whose_halves_differ_is_refused(keyring: HostKeyring) -> None:
    stored = msgspec.json.decode(keyring.paths.signing_key.read_bytes())
    stored["x"] = signing_key(3).public().x
    keyring.paths.signing_key.write_bytes(msgspec.json.encode(stored))
    with pytest.raises(MalformedError, match="do not belong together"):
        keyring.signing_key()


def test_a_folder_without_a_host_is_told_how_to_make_one(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(StateMissingError) as missing:
        HostKeyring(StatePaths(tmp_path), clock, SeededEntropy())
    assert "quorate host init --product" in missing.value.hint


def test_a_write_that_fails_leaves_the_old_file_whole(
    keyring: HostKeyring, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.activate(certificate_for(WORLD, asked, START_S))
    before = content_of(keyring.paths.root)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileAccessError, match="no space left"):
        keyring.install_key(WORLD.product_key.text)
    with pytest.raises(FileAccessError, match="no space left"):
        keyring.add_product(product(issued_s=START_S))
    assert content_of(keyring.paths.root) == before


def test_the_request_is_a_document_of_its_own_kind(asked: str) -> None:
    assert read_host_request(asked).v == 1
    assert len(asked) < HOST_REQUEST.bytes_max
