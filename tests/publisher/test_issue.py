"""From a product to a host's certificate: what is signed, for whom, for how long, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from quorate.core.documents import (
    HOST_CERTIFICATE,
    HOST_REQUEST,
    PRODUCT,
    HostCertificate,
    SigningKey,
    read,
    sign,
)
from quorate.core.ids import ProductKey
from quorate.core.policy import DAY_S
from quorate.core.succession import TrustState
from quorate.core.trust import Anchor, check_certificate
from quorate.errors import (
    BadSignatureError,
    FileAccessError,
    InvalidSettingError,
    InvalidSourceError,
    MalformedError,
    NotKnownError,
    PassphraseError,
    ProductKeyBlockedError,
    ProductKeyExpiredError,
    ProductKeyInvalidError,
    ProductKeyUnknownError,
    ProductKeyUnprovenError,
    QuorateError,
    StateExistsError,
    StateMissingError,
    UnknownPublisherError,
)
from quorate.publisher.issue import Book, Publisher
from tests.publisher.world import PASSPHRASE, SOURCE, AskingHost, new_publisher, write_source
from tests.support.clocks import ManualClock, SeededEntropy


def confirmed(publisher: Publisher, request: str) -> HostCertificate:
    return read(HOST_CERTIFICATE, publisher.confirm(request), publisher.verify_keys)


def add_product(publisher: Publisher, folder: Path, product: str, group: str, covers: list[str]) -> Path:
    text = f'id = "{product}"\nname = "{product}"\ngroup = "{group}"\ncovers = {covers}\n'
    text += f'[[edition]]\nid = "{product}-e"\nname = "E"\nclass = "client"\n'
    return publisher.add_product(write_source(folder, text, f"{product}.toml"))


# --- products --------------------------------------------------------------------------------------------------------


def test_a_signed_product_and_the_key_set_are_an_anchor(publisher: Publisher) -> None:
    anchor = Anchor.load(publisher.product_path("acme-cad").read_text(), publisher.jwks_path.read_bytes())
    assert anchor.product.publisher == "Acme Software"
    assert anchor.edition("acme-cad-server").machine_class == "server"


def test_any_jose_library_reads_what_was_signed(publisher: Publisher) -> None:
    keys = KeySet.import_key_set(json.loads(publisher.jwks_path.read_bytes()))
    token = publisher.product_path("acme-cad").read_text().strip()
    opened = jws.deserialize_compact(token, keys, algorithms=["Ed25519"])
    assert opened.headers()["typ"] == "product+jwt"


def test_adding_a_product_again_signs_it_anew(publisher: Publisher, clock: ManualClock, tmp_path: Path) -> None:
    before = publisher.product("acme-cad")
    clock.advance(60)
    path = publisher.add_product(write_source(tmp_path, SOURCE + "[threshold.client]\nminimum = 2\n"))
    after = read(PRODUCT, path.read_text().strip(), publisher.verify_keys)
    assert after.issued_s == before.issued_s + 60
    assert after.policy.thresholds.client.minimum == 2
    assert len(publisher.products()) == 1


def test_an_edition_id_belongs_to_one_product(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(InvalidSourceError, match="acme-cad-pro already belongs to product acme-cad"):
        publisher.add_product(write_source(tmp_path, SOURCE.replace('"acme-cad"', '"acme-cam"')))
    assert [each.product for each in publisher.products()] == ["acme-cad"]


def test_a_product_too_large_to_be_read_is_not_signed(publisher: Publisher, tmp_path: Path) -> None:
    long_id, long_name = "e" * 62, chr(0x6F22) * 198
    covers = [f"{n}{long_id}" for n in range(10, 74)]
    text = f'id = "big"\nname = "Big"\ngroup = "big"\ncovers = {covers}\n'
    for n in range(10, 74):
        text += f'[[edition]]\nid = "{n}{long_id}"\nname = "{n}{long_name}"\nclass = "client"\n'
    with pytest.raises(InvalidSourceError, match=r"too large: .* longer than 65536 bytes"):
        publisher.add_product(write_source(tmp_path, text))
    assert [each.product for each in publisher.products()] == ["acme-cad"]


def test_a_product_file_of_somebody_else_on_the_shelf_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    other = SigningKey.from_seed(bytes(32))
    publisher.product_path("acme-cad").write_text(sign(PRODUCT, publisher.product("acme-cad"), other))
    with pytest.raises(UnknownPublisherError):
        publisher.issue_host_key("Contoso", ["acme"])


def test_an_unknown_product_is_told_with_those_that_are_known(publisher: Publisher) -> None:
    with pytest.raises(NotKnownError) as caught:
        publisher.product_path("acme-cam")
    assert "acme-cad" in caught.value.hint


# --- host keys -------------------------------------------------------------------------------------------------------


def test_a_host_key_is_kept_nowhere(publisher: Publisher, tmp_path: Path) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    assert key.text.startswith("QH")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "publisher").rglob("*") if path.is_file())
    assert key.text.encode() not in stored
    assert key.text.replace("-", "").encode() not in stored
    (entry,) = publisher.host_keys()
    assert (entry.key_id, entry.last_five, entry.customer) == (key.key_id, key.last_five, "Contoso")
    assert entry.verifier.hex() not in repr(entry)
    assert repr(entry.verifier) not in repr(entry)


def test_a_group_may_be_named_by_a_product(publisher: Publisher) -> None:
    publisher.issue_host_key("Contoso", ["acme-cad", "acme"])
    assert publisher.host_keys()[0].groups == ("acme",)


def test_an_unknown_group_is_told_with_those_that_are_known(publisher: Publisher, tmp_path: Path) -> None:
    add_product(publisher, tmp_path, "suite", "suite", ["acme", "viewer"])
    with pytest.raises(NotKnownError, match="no product group acmee") as caught:
        publisher.issue_host_key("Contoso", ["acme", "acmee"])
    assert "Known: acme, suite, viewer." in caught.value.hint
    assert publisher.host_keys() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer": " "},
        {"customer": "x" * 201},
        {"customer": "Con\ntoso"},
        {"hosts": 0},
        {"hosts": -1},
        {"activations": 0},
        {"activations": 10**9},
        {"groups": []},
        {"expires_s": 1},
        {"expires_s": 10**12},
    ],
    ids=str,
)
def test_a_host_key_with_a_value_out_of_bounds_is_not_issued(publisher: Publisher, wrong: dict[str, object]) -> None:
    good: dict[str, object] = {"customer": "Contoso", "groups": ["acme"]}
    with pytest.raises(InvalidSettingError):
        publisher.issue_host_key(**{**good, **wrong})  # type: ignore[arg-type]  # wrong on purpose
    assert publisher.host_keys() == []


# --- confirming ------------------------------------------------------------------------------------------------------


def test_a_confirmed_host_has_a_certificate_that_clients_accept(publisher: Publisher, clock: ManualClock) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    host = AskingHost(1)
    token = publisher.confirm(host.request(key))
    anchor = Anchor.load(publisher.product_path("acme-cad").read_text(), publisher.jwks_path.read_bytes())
    certificate = check_certificate(token, anchor, clock.now_s())
    assert certificate.host_id == host.host_id
    assert certificate.jwk.key().thumbprint() == host.signing_key.kid
    assert (certificate.customer, certificate.groups, certificate.key_id) == ("Contoso", ("acme",), key.key_id)
    assert (certificate.issued_s, certificate.expires_s) == (clock.now_s(), clock.now_s() + 730 * DAY_S)


def test_the_same_request_again_gets_the_same_certificate_and_uses_nothing_up(
    publisher: Publisher, clock: ManualClock
) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"], hosts=1, activations=1)
    request = AskingHost(1).request(key)
    first = publisher.confirm(request)
    clock.advance(30 * DAY_S)
    assert [publisher.confirm(request), publisher.confirm("\n" + request + "\r\n")] == [first, first]
    assert [host.activations for host in publisher.hosts()] == [1]
    assert publisher.totals().certificates == 1


def test_the_same_request_long_after_its_certificate_ended_needs_a_new_one(
    publisher: Publisher, clock: ManualClock
) -> None:
    request = AskingHost(1).request(publisher.issue_host_key("Contoso", ["acme"]))
    publisher.confirm(request)
    clock.advance(730 * DAY_S)
    with pytest.raises(QuorateError) as caught:
        publisher.confirm(request)
    assert caught.value.code == "HOST_CERTIFICATE_EXPIRED"
    assert "quorate host request" in caught.value.hint


def test_a_certificate_covers_the_groups_below_as_they_are_at_that_time(publisher: Publisher, tmp_path: Path) -> None:
    add_product(publisher, tmp_path, "suite", "suite", ["acme", "office"])
    key = publisher.issue_host_key("Contoso", ["suite"])
    assert confirmed(publisher, AskingHost(1).request(key)).groups == ("acme", "office", "suite")
    add_product(publisher, tmp_path, "writer", "office", ["fonts"])
    add_product(publisher, tmp_path, "fonts", "fonts", ["suite"])  # a circle does no harm
    assert confirmed(publisher, AskingHost(2).request(key)).groups == ("acme", "fonts", "office", "suite")
    assert publisher.host_keys()[0].groups == ("suite",)


def test_a_lower_group_does_not_cover_the_higher_one(publisher: Publisher, tmp_path: Path) -> None:
    add_product(publisher, tmp_path, "suite", "suite", ["acme"])
    key = publisher.issue_host_key("Contoso", ["acme"])
    assert confirmed(publisher, AskingHost(1).request(key)).groups == ("acme",)


def test_more_groups_than_a_certificate_holds_use_nothing_up(publisher: Publisher, tmp_path: Path) -> None:
    add_product(publisher, tmp_path, "suite", "suite", [f"g{n}" for n in range(64)])
    key = publisher.issue_host_key("Contoso", ["suite"])
    with pytest.raises(InvalidSettingError, match="65"):
        publisher.confirm(AskingHost(1).request(key))
    assert publisher.hosts() == []


def test_a_key_that_expires_ends_its_certificates_and_then_confirms_no_more(
    publisher: Publisher, clock: ManualClock
) -> None:
    ends_s = clock.now_s() + 100 * DAY_S
    key = publisher.issue_host_key("Contoso", ["acme"], expires_s=ends_s)
    clock.advance(100 * DAY_S - 1)
    assert confirmed(publisher, AskingHost(1).request(key)).expires_s == ends_s
    clock.advance(1)
    with pytest.raises(ProductKeyExpiredError, match="expired on 2027-04-25 08:00:00 UTC"):
        publisher.confirm(AskingHost(2).request(key))
    assert len(publisher.hosts()) == 1
    assert publisher.host_keys()[0].status(clock.now_s()) == "expired"


def test_a_blocked_key_confirms_nothing_not_even_again(publisher: Publisher, clock: ManualClock) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    request = AskingHost(1).request(key)
    publisher.confirm(request)
    publisher.ledger.block_key(key.key_id, "leaked on a forum", clock.now_s())
    publisher.ledger.block_key(key.key_id, "another reason", clock.now_s() + 1)
    for again in (request, AskingHost(2).request(key)):
        with pytest.raises(ProductKeyBlockedError, match="leaked on a forum"):
            publisher.confirm(again)
    assert publisher.host_keys()[0].status(clock.now_s()) == "blocked"
    with pytest.raises(NotKnownError):
        publisher.ledger.block_key("nothing", "x", 1)


def test_a_key_of_another_publisher_is_unknown_and_not_a_typing_mistake(
    publisher: Publisher, clock: ManualClock, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    foreign = Publisher.create(tmp_path / "other" / "p", "Other", PASSPHRASE, clock, SeededEntropy(99))
    foreign.add_product(write_source(tmp_path))
    key = foreign.issue_host_key("Contoso", ["acme"])
    with pytest.raises(ProductKeyUnknownError, match=key.last_five) as caught:
        publisher.confirm(AskingHost(1).request(key))
    assert "no typing mistake" in caught.value.hint


def test_typo_unknown_and_no_host_key_are_three_errors(publisher: Publisher) -> None:
    text = publisher.issue_host_key("Contoso", ["acme"]).text
    typo = text[:7] + ("2" if text[7] != "2" else "3") + text[8:]
    with pytest.raises(ProductKeyInvalidError, match="typing mistake"):
        ProductKey.parse(typo)
    with pytest.raises(ProductKeyInvalidError, match="no host key"):
        ProductKey.parse("22222-22222-22222-22222-22222")
    unknown = ProductKey.from_entropy(bytes(range(32)))
    with pytest.raises(ProductKeyUnknownError):
        publisher.confirm(AskingHost(1).request(unknown))


def test_who_knows_only_the_key_id_cannot_use_the_key(publisher: Publisher) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    thief, owner = AskingHost(1), AskingHost(2)
    stolen = owner.claims(key).key_proof  # bound to the owner's host id, key pair and request
    for proof in (stolen, "A" * 43):
        with pytest.raises(ProductKeyUnprovenError, match="without knowing that key") as caught:
            publisher.confirm(thief.request(key, proof=proof))
        assert isinstance(caught.value, ProductKeyInvalidError)
    assert publisher.hosts() == []


def test_a_request_changed_on_its_way_is_refused_whatever_was_changed(publisher: Publisher) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    host, other = AskingHost(1), AskingHost(2)
    head, payload, signature = host.request(key).strip().split(".")
    other_head, other_payload, other_signature = other.request(key).strip().split(".")
    for changed in (
        f"{head}.{payload}.{other_signature}",
        f"{head}.{other_payload}.{signature}",
        f"{other_head}.{payload}.{signature}",
        f"{head}.{payload}.{'A' * 86}",
    ):
        with pytest.raises(BadSignatureError):
            publisher.confirm(changed)
    for broken in ("", "a.b.c", f"{head}.{payload}", f"{head}.{payload}.{signature[:-2]}", f"{head}.{payload}.é"):
        with pytest.raises(MalformedError):
            publisher.confirm(broken)
    assert publisher.hosts() == []


def test_another_document_is_not_taken_for_a_request(publisher: Publisher) -> None:
    with pytest.raises(MalformedError, match=r"this is a product\+jwt"):
        publisher.confirm(publisher.product_path("acme-cad").read_text())


def test_a_request_signed_by_another_key_than_the_one_inside_is_refused(publisher: Publisher) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    with pytest.raises(BadSignatureError):
        publisher.confirm(sign(HOST_REQUEST, AskingHost(1).claims(key), AskingHost(2).signing_key))


# --- state -----------------------------------------------------------------------------------------------------------


def test_a_publisher_opened_again_knows_everything(publisher: Publisher, clock: ManualClock, tmp_path: Path) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    request = AskingHost(1).request(key)
    token = publisher.confirm(request)
    again = Publisher.open(tmp_path / "publisher", PASSPHRASE, clock, SeededEntropy(8))
    assert again.name == "Acme Software"
    assert again.confirm(request) == token
    assert TrustState.shipped(again.jwks_path.read_bytes()) == publisher.trust


def test_looking_needs_no_passphrase_but_signing_does(publisher: Publisher, clock: ManualClock, tmp_path: Path) -> None:
    publisher.issue_host_key("Contoso", ["acme"])
    book = Book(tmp_path / "publisher")
    assert [key.customer for key in book.host_keys()] == ["Contoso"]
    with pytest.raises(PassphraseError):
        Publisher.open(tmp_path / "publisher", "guess", clock, SeededEntropy())


def test_a_lost_ledger_is_not_made_up(publisher: Publisher, clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / "publisher" / "ledger.db").unlink()
    with pytest.raises(FileAccessError, match="restore it from a backup"):
        Publisher.open(tmp_path / "publisher", PASSPHRASE, clock, SeededEntropy())
    assert not (tmp_path / "publisher" / "ledger.db").exists()


def test_a_ledger_without_its_key_is_not_given_to_a_new_publisher(
    publisher: Publisher, clock: ManualClock, tmp_path: Path
) -> None:
    folder = tmp_path / "publisher"
    publisher.issue_host_key("Contoso", ["acme"])
    (folder / "publisher.key").unlink()
    (folder / "publisher.jwks").unlink()
    with pytest.raises(StateMissingError):
        Publisher.open(folder, PASSPHRASE, clock, SeededEntropy())
    with pytest.raises(StateExistsError, match="ledger"):
        Publisher.create(folder, "Acme", PASSPHRASE, clock, SeededEntropy())


def test_an_interrupted_create_can_be_repeated(clock: ManualClock, tmp_path: Path) -> None:
    publisher = new_publisher(tmp_path, clock)
    publisher.jwks_path.unlink()  # as if it had stopped after the ledger, before the key
    (tmp_path / "publisher" / "publisher.key").unlink()
    assert Publisher.create(tmp_path / "publisher", "Acme", PASSPHRASE, clock, SeededEntropy()).name == "Acme"


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "A\x1b[31m"])
def test_a_publisher_needs_a_name_that_can_be_signed(tmp_path: Path, clock: ManualClock, name: str) -> None:
    with pytest.raises(InvalidSettingError, match="--name"):
        Publisher.create(tmp_path / "publisher", name, PASSPHRASE, clock, SeededEntropy())
    assert not (tmp_path / "publisher").exists()
