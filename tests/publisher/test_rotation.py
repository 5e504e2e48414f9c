"""Exchanging keys: whoever shipped with any older keys follows, a crash loses nothing, an old key is worth nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quorate.core.documents import HOST_CERTIFICATE, PRODUCT, SigningKey, read, sign
from quorate.core.revocation import accept_list, newer, read_list
from quorate.core.succession import TRUST, Trust, TrustState, follow, follow_chain, read_issued
from quorate.core.trust import Anchor
from quorate.errors import (
    FilePermissionsError,
    InvalidSettingError,
    KeyRoleError,
    MalformedError,
    PassphraseError,
    PassphraseMissingError,
    RetiredKeyError,
    RootKeyMissingError,
    StateExistsError,
    UnknownPublisherError,
)
from quorate.publisher import rotation as rotation_module
from quorate.publisher import vault as vault_module
from quorate.publisher.blocklist import Kind
from quorate.publisher.issue import Publisher
from quorate.publisher.keysets import KeySets
from quorate.publisher.rootkey import root_path
from quorate.publisher.rotation import RootKey, Step
from quorate.publisher.vault import open_vault
from tests.publisher.world import PASSPHRASE, AskingHost, write_source
from tests.support.clocks import START_S, ManualClock, SeededEntropy

ROOT_PASSPHRASE = "another passphrase"


def reopened(publisher: Publisher, clock: ManualClock) -> Publisher:
    return Publisher.open(publisher.state_dir, PASSPHRASE, clock, SeededEntropy(77))


def shipped(publisher: Publisher) -> TrustState:
    return TrustState.shipped(publisher.jwks_path.read_bytes())


def stolen(publisher: Publisher) -> SigningKey:
    """The private key, as a thief has it who copied file and passphrase today."""
    return open_vault(publisher.state_dir, PASSPHRASE).signing_key


def the_newest(publisher: Publisher, first: TrustState) -> TrustState:
    """Where somebody comes to who shipped with `first` and is given `publisher.trust`."""
    return follow_chain(first, publisher.trust_path.read_text().split())


@pytest.fixture
def rooted(tmp_path: Path, clock: ManualClock) -> Publisher:
    made = Publisher.create(
        tmp_path / "rooted", "Acme", PASSPHRASE, clock, SeededEntropy(5), root_passphrase=ROOT_PASSPHRASE
    )
    made.add_product(write_source(tmp_path))
    return made


def away(publisher: Publisher, folder: Path) -> RootKey:
    """Take the root key to another place."""
    path = folder / "safe.key"
    shutil.move(root_path(publisher.state_dir), path)
    return RootKey(path, ROOT_PASSPHRASE)


# --- following -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [Step.ADD, Step.REPLACE])
def test_who_shipped_with_the_old_keys_follows_to_the_new_ones(publisher: Publisher, step: Step) -> None:
    first = shipped(publisher)
    rotation = publisher.rotate(step, PASSPHRASE)
    state = the_newest(publisher, first)
    assert state.version == rotation.version == 2
    assert state.jwks() == shipped(publisher).jwks() == publisher.trust.jwks()
    assert set(state.for_issuing().by_kid) == {rotation.kid, *rotation.kept}
    certificate = publisher.confirm(AskingHost(1).request(publisher.issue_host_key("Contoso", ["acme"])))
    assert read_issued(HOST_CERTIFICATE, certificate, state).customer == "Contoso"


def test_every_set_that_ever_shipped_leads_to_the_newest(publisher: Publisher, clock: ManualClock) -> None:
    states = [shipped(publisher)]
    for step in (Step.ADD, Step.ADD, Step.FINISH, Step.REPLACE, Step.ADD):
        clock.advance(86_400)
        publisher.rotate(step, PASSPHRASE)
        states.append(shipped(publisher))
    assert [state.version for state in states] == [1, 2, 3, 4, 5, 6]
    assert {the_newest(publisher, state).version for state in states} == {6}
    assert all(the_newest(publisher, state).jwks() == states[-1].jwks() for state in states)


def test_products_that_shipped_stay_good_and_new_ones_fit_the_new_keys(publisher: Publisher) -> None:
    old_product, old_jwks = publisher.product_path("acme-cad").read_text(), publisher.jwks_path.read_bytes()
    publisher.rotate(Step.REPLACE, PASSPHRASE)
    new_product, new_jwks = publisher.product_path("acme-cad").read_text(), publisher.jwks_path.read_bytes()
    assert Anchor.load(old_product, old_jwks).product == Anchor.load(new_product, new_jwks).product
    with pytest.raises(UnknownPublisherError):
        Anchor.load(old_product, new_jwks)


# --- the old key -----------------------------------------------------------------------------------------------------


def test_a_stolen_key_is_worth_nothing_once_it_is_dropped(publisher: Publisher) -> None:
    first, thief = shipped(publisher), stolen(publisher)
    publisher.rotate(Step.REPLACE, PASSPHRASE)
    state = the_newest(publisher, first)
    evil = Trust(publisher="Acme Software", issued_s=START_S, version=3, keys=first.keys)
    with pytest.raises(RetiredKeyError):
        follow(state, [sign(TRUST, evil, thief)])
    with pytest.raises(UnknownPublisherError):
        read(PRODUCT, sign(PRODUCT, publisher.product("acme-cad"), thief), shipped(publisher).for_issuing())


def test_certificates_of_a_kept_key_stay_good_until_it_is_dropped(publisher: Publisher) -> None:
    first = shipped(publisher)
    key = publisher.issue_host_key("Contoso", ["acme"])
    early, late = AskingHost(1), AskingHost(2)
    request = early.request(key)
    before = publisher.confirm(request)
    publisher.rotate(Step.ADD, PASSPHRASE)
    after = publisher.confirm(late.request(key))
    state = the_newest(publisher, first)
    for token in (before, after):
        read_issued(HOST_CERTIFICATE, token, state)
    assert [each.host_id for each in publisher.hosts_certified_before(START_S)] == [early.host_id]
    again = publisher.confirm(request)  # the same request: the same certificate under the new key, free of charge
    assert again != before
    assert read_issued(HOST_CERTIFICATE, again, state) == read_issued(HOST_CERTIFICATE, before, state)
    assert publisher.confirm(request) == again
    assert publisher.hosts_certified_before(START_S) == []
    assert {host.activations for host in publisher.hosts()} == {1}
    rotation = publisher.rotate(Step.FINISH, PASSPHRASE)
    assert (rotation.kept, len(rotation.dropped)) == ((), 1)
    state = the_newest(publisher, first)
    for token in (after, again):
        read_issued(HOST_CERTIFICATE, token, state)
    with pytest.raises(RetiredKeyError):
        read_issued(HOST_CERTIFICATE, before, state)


def test_a_host_whose_key_was_dropped_gets_its_certificate_again_with_the_same_request(publisher: Publisher) -> None:
    request = AskingHost(1).request(publisher.issue_host_key("Contoso", ["acme"]))
    publisher.confirm(request)
    publisher.rotate(Step.REPLACE, PASSPHRASE)
    assert len(publisher.hosts_certified_before(START_S)) == 1
    read(HOST_CERTIFICATE, publisher.confirm(request), publisher.verify_keys)
    assert publisher.hosts_certified_before(START_S) == []


def test_nothing_to_finish_is_told(publisher: Publisher) -> None:
    with pytest.raises(InvalidSettingError, match="no old key is left"):
        publisher.rotate(Step.FINISH, PASSPHRASE)
    assert not publisher.trust_path.exists()


def test_more_keys_than_a_set_holds_are_refused_before_anything_changes(publisher: Publisher) -> None:
    for _ in range(15):
        publisher.rotate(Step.ADD, PASSPHRASE)
    with pytest.raises(InvalidSettingError, match="17 keys"):
        publisher.rotate(Step.ADD, PASSPHRASE)
    assert publisher.rotate(Step.FINISH, PASSPHRASE).version == 17


def test_the_old_private_key_is_not_kept(publisher: Publisher) -> None:
    old = stolen(publisher)
    publisher.rotate(Step.ADD, PASSPHRASE)
    assert stolen(publisher).seed != old.seed
    assert sorted(path.name for path in publisher.state_dir.glob("*key*")) == ["publisher.key"]


def test_the_revocation_list_is_signed_again_and_is_newer(publisher: Publisher) -> None:
    first = shipped(publisher)
    host = AskingHost(1)
    publisher.confirm(host.request(publisher.issue_host_key("Contoso", ["acme"])))
    publisher.revoke(Kind.HOST, host.host_id, "sold")
    held = publisher.revocations_path.read_text().strip()
    publisher.rotate(Step.REPLACE, PASSPHRASE)
    offered = publisher.revocations_path.read_text().strip()
    state = the_newest(publisher, first)
    assert accept_list(held, offered, state).number == 2
    assert newer(read_list(held, first), read_list(offered, state)).entries == read_list(held, first).entries


def test_a_wrong_passphrase_changes_nothing(publisher: Publisher) -> None:
    before = {path: path.read_bytes() for path in publisher.state_dir.glob("publisher.*")}
    with pytest.raises(PassphraseError):
        publisher.rotate(Step.ADD, "guess")
    assert {path: path.read_bytes() for path in publisher.state_dir.glob("publisher.*")} == before


# --- a crash at any moment -------------------------------------------------------------------------------------------


class PowerCutError(Exception):
    """The machine goes out."""


@dataclass(frozen=True)
class Cut:
    """The power goes before call number `call` of this function; version `version` is then in force."""

    target: object
    name: str
    version: int
    call: int = 1

    def make(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original, left = getattr(self.target, self.name), [self.call]

        def cut(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                raise PowerCutError
            return original(*args, **kwargs)

        monkeypatch.setattr(self.target, self.name, cut)


CUTS = {
    "before the new key is laid down": Cut(rotation_module, "stage_key", 1),
    "before the new set counts": Cut(KeySets, "append", 1),
    "before the new key is in place": Cut(vault_module, "_adopt", 2),
    "before the new set ships": Cut(KeySets, "publish", 2, call=2),  # the first one looks at the old set
    "before products are signed": Cut(Publisher, "_settle", 2),
}


@pytest.mark.parametrize("step", [Step.ADD, Step.REPLACE])
@pytest.mark.parametrize("cut", list(CUTS))
def test_whenever_the_power_goes_the_next_opening_finds_one_whole_state(
    publisher: Publisher, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, cut: str, step: Step
) -> None:
    first = shipped(publisher)
    host = AskingHost(1)
    key = publisher.issue_host_key("Contoso", ["acme"])
    publisher.confirm(host.request(key))
    publisher.revoke(Kind.HOST, host.host_id, "sold")
    version = CUTS[cut].version
    with monkeypatch.context() as patched:
        CUTS[cut].make(patched)
        with pytest.raises(PowerCutError):
            publisher.rotate(step, PASSPHRASE)
    again = reopened(publisher, clock)
    assert again.trust.version == version
    assert the_newest_or_first(again, first).jwks() == again.trust.jwks() == shipped(again).jwks()
    own = stolen(again).verify_keys()
    read(PRODUCT, again.product_path("acme-cad").read_text().strip(), own)
    assert read_list(again.revocations_path.read_text().strip(), again.trust).number == version
    read(HOST_CERTIFICATE, again.confirm(AskingHost(2).request(key)), own)
    assert not (again.state_dir / "publisher.key.next").exists()


def the_newest_or_first(publisher: Publisher, first: TrustState) -> TrustState:
    return the_newest(publisher, first) if publisher.trust_path.exists() else first


def test_a_publisher_from_before_there_were_versions_exchanges_its_key(
    publisher: Publisher, clock: ManualClock
) -> None:
    first = shipped(publisher)
    (publisher.state_dir / "publisher.first.jwks").unlink()
    again = reopened(publisher, clock)
    again.rotate(Step.ADD, PASSPHRASE)
    assert the_newest(again, first).version == 2
    assert reopened(publisher, clock).product("acme-cad").name == "Acme CAD"


def test_lost_public_keys_are_made_again_whatever_the_version(publisher: Publisher, clock: ManualClock) -> None:
    publisher.rotate(Step.REPLACE, PASSPHRASE)
    before = publisher.jwks_path.read_bytes()
    publisher.jwks_path.unlink()
    reopened(publisher, clock)
    assert publisher.jwks_path.read_bytes() == before


# --- a root key that is kept elsewhere -------------------------------------------------------------------------------


def test_with_an_offline_root_the_everyday_needs_no_root(rooted: Publisher, tmp_path: Path, clock: ManualClock) -> None:
    away(rooted, tmp_path)
    again = reopened(rooted, clock)
    Anchor.load(again.product_path("acme-cad").read_text(), again.jwks_path.read_bytes())
    key = again.issue_host_key("Contoso", ["acme"])
    read_issued(HOST_CERTIFICATE, again.confirm(AskingHost(1).request(key)), shipped(again))


def test_only_the_root_key_exchanges_the_issuing_key(rooted: Publisher, tmp_path: Path) -> None:
    first, thief = shipped(rooted), stolen(rooted)
    root = away(rooted, tmp_path)
    with pytest.raises(RootKeyMissingError, match="there is no"):
        rooted.rotate(Step.ADD, PASSPHRASE)
    with pytest.raises(RootKeyMissingError, match=r"there is no .*nothing\.key"):
        rooted.rotate(Step.ADD, PASSPHRASE, RootKey(tmp_path / "nothing.key", ROOT_PASSPHRASE))
    with pytest.raises(RootKeyMissingError, match="another key"):
        rooted.rotate(Step.ADD, PASSPHRASE, RootKey(rooted.state_dir / "publisher.key", PASSPHRASE))
    with pytest.raises(PassphraseError):
        rooted.rotate(Step.ADD, PASSPHRASE, RootKey(root.path, PASSPHRASE))
    assert not rooted.trust_path.exists()
    evil = Trust(publisher="Acme", issued_s=START_S, version=2, keys=first.keys[1:] + first.keys[:1])
    with pytest.raises(KeyRoleError):
        follow(first, [sign(TRUST, evil, thief)])
    rooted.rotate(Step.REPLACE, PASSPHRASE, root)
    state = the_newest(rooted, first)
    assert [key.role for key in state.keys] == ["root", "issuing"]
    assert thief.kid not in state.for_issuing().by_kid


def test_the_root_key_is_not_among_those_that_sign_documents(rooted: Publisher) -> None:
    (root_kid,) = rooted.trust.for_trust().by_kid
    assert root_kid not in rooted.verify_keys.by_kid


def test_the_root_key_file_is_private_and_of_its_own_passphrase(rooted: Publisher) -> None:
    path = root_path(rooted.state_dir)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(FilePermissionsError):
        rooted.rotate(Step.ADD, PASSPHRASE, RootKey(path, ROOT_PASSPHRASE))


def test_a_root_key_is_never_overwritten(rooted: Publisher, clock: ManualClock, tmp_path: Path) -> None:
    root = root_path(rooted.state_dir).read_bytes()
    (rooted.state_dir / "publisher.key").unlink()
    rooted.jwks_path.unlink()
    with pytest.raises(StateExistsError):
        Publisher.create(rooted.state_dir, "Acme", PASSPHRASE, clock, SeededEntropy(), root_passphrase="x")
    assert root_path(rooted.state_dir).read_bytes() == root
    with pytest.raises(PassphraseMissingError):
        Publisher.create(tmp_path / "new", "Acme", PASSPHRASE, clock, SeededEntropy(), root_passphrase="")
    assert not (tmp_path / "new" / "publisher.key").exists()


def test_a_rooted_publisher_without_its_public_keys_is_not_made_up(rooted: Publisher, clock: ManualClock) -> None:
    rooted.jwks_path.unlink()
    (rooted.state_dir / "publisher.first.jwks").unlink()
    with pytest.raises(MalformedError, match="restore it from a backup"):
        reopened(rooted, clock)
