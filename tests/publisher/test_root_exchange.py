"""Exchanging the root key: everybody follows, the old one is worth nothing, and a crash at any moment loses neither."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quorate import files
from quorate.core.documents import HOST_CERTIFICATE, PRODUCT, SigningKey, read, sign
from quorate.core.keys import PublisherJwk
from quorate.core.succession import TRUST, Trust, TrustState, follow, follow_chain, read_issued
from quorate.core.trust import Anchor
from quorate.errors import (
    FilePermissionsError,
    KeyRoleError,
    MalformedError,
    PassphraseError,
    PassphraseMissingError,
    RetiredKeyError,
    RootKeyMissingError,
    UnknownPublisherError,
)
from quorate.publisher import rootkey
from quorate.publisher.issue import Publisher
from quorate.publisher.keysets import with_role
from quorate.publisher.rootkey import RootKey, root_path
from quorate.publisher.rotation import Step
from quorate.publisher.sealed import unsealed
from tests.publisher.world import PASSPHRASE, AskingHost, write_source
from tests.support.clocks import START_S, ManualClock, SeededEntropy

OLD, NEW = "the old root's passphrase", "the new root's passphrase"
OTHER = SigningKey.from_seed(b"e" * 32)
KILLS_MAX = 40  # an exchange names or removes about ten files


@pytest.fixture
def rooted(tmp_path: Path, clock: ManualClock) -> Publisher:
    made = Publisher.create(tmp_path / "rooted", "Acme", PASSPHRASE, clock, SeededEntropy(5), root_passphrase=OLD)
    made.add_product(write_source(tmp_path))
    return made


def old_root(publisher: Publisher) -> RootKey:
    return RootKey(root_path(publisher.state_dir), OLD)


def key_in(root: RootKey) -> SigningKey:
    """The private key, as a thief has it who copied file and passphrase."""
    return unsealed(root.path, root.passphrase).key


def shipped(publisher: Publisher) -> TrustState:
    return TrustState.shipped(publisher.jwks_path.read_bytes())


def the_newest(publisher: Publisher, first: TrustState) -> TrustState:
    """Where somebody comes to who shipped with `first` and is given `publisher.trust`."""
    return follow_chain(first, publisher.trust_path.read_text().split() if publisher.trust_path.exists() else [])


def evil(version: int, *keys: PublisherJwk, signer: SigningKey) -> str:
    claims = Trust(publisher="Acme", issued_s=START_S, version=version, keys=keys)
    return sign(TRUST, claims, signer)


def as_issuing(key: SigningKey) -> PublisherJwk:
    return with_role(key.public(), "issuing")


def as_root(key: SigningKey) -> PublisherJwk:
    return with_role(key.public(), "root")


# --- following -------------------------------------------------------------------------------------------------------


def test_the_next_root_is_proven_by_the_old_one_and_nothing_else_changes(rooted: Publisher) -> None:
    first, anchor = shipped(rooted), (rooted.product_path("acme-cad").read_text(), rooted.jwks_path.read_bytes())
    certificate = rooted.confirm(AskingHost(1).request(rooted.issue_host_key("Contoso", ["acme"])))
    thief = key_in(old_root(rooted))
    rotation = rooted.rotate(Step.KEEP, PASSPHRASE, old_root(rooted), NEW)
    state = the_newest(rooted, first)
    assert (state.version, rotation.is_new_root, rotation.dropped) == (2, True, ())
    assert list(state.for_trust().by_kid) == [rotation.root_kid]
    assert list(state.for_issuing().by_kid) == list(first.for_issuing().by_kid) == [rotation.kid]
    assert thief.kid not in state.for_trust().by_kid
    assert read_issued(HOST_CERTIFICATE, certificate, state).customer == "Contoso"
    assert Anchor.load(*anchor).shipped == first
    Anchor.load(rooted.product_path("acme-cad").read_text(), rooted.jwks_path.read_bytes())


def test_the_old_root_is_refused_afterwards(rooted: Publisher, tmp_path: Path) -> None:
    first, thief = shipped(rooted), key_in(old_root(rooted))
    shutil.copy(root_path(rooted.state_dir), tmp_path / "kept.key")
    rooted.rotate(Step.KEEP, PASSPHRASE, old_root(rooted), NEW)
    state = the_newest(rooted, first)
    for version in (2, 3):
        with pytest.raises(RetiredKeyError):
            follow(state, [evil(version, as_root(thief), as_issuing(OTHER), signer=thief)])
    with pytest.raises(RetiredKeyError):
        read_issued(HOST_CERTIFICATE, _certificate_by(thief, rooted), state)
    with pytest.raises(UnknownPublisherError):  # nor by whoever shipped with the new keys, and never knew the old one
        follow(shipped(rooted), [evil(3, as_root(thief), as_issuing(OTHER), signer=thief)])
    with pytest.raises(RootKeyMissingError, match="one that was exchanged; the present one is"):
        rooted.rotate(Step.ADD, PASSPHRASE, RootKey(tmp_path / "kept.key", OLD))
    assert rooted.rotate(Step.REPLACE, PASSPHRASE, RootKey(root_path(rooted.state_dir), NEW)).version == 3


def _certificate_by(thief: SigningKey, publisher: Publisher) -> str:
    good = publisher.confirm(AskingHost(1).request(publisher.issue_host_key("Contoso", ["acme"])))
    return sign(HOST_CERTIFICATE, read(HOST_CERTIFICATE, good, publisher.verify_keys), thief)


def test_root_and_signing_key_are_exchanged_at_once_where_both_were_stolen(rooted: Publisher) -> None:
    first = shipped(rooted)
    rotation = rooted.rotate(Step.REPLACE, PASSPHRASE, old_root(rooted), NEW)
    state = the_newest(rooted, first)
    assert [key.role for key in state.keys] == ["root", "issuing"]
    assert not {key.x for key in state.keys} & {key.x for key in first.keys}
    assert len(rotation.dropped) == 1
    read(PRODUCT, rooted.product_path("acme-cad").read_text().strip(), state.for_issuing())


def test_every_root_that_ever_shipped_leads_to_the_newest(rooted: Publisher) -> None:
    states, root = [shipped(rooted)], old_root(rooted)
    for number, step in enumerate((Step.KEEP, Step.ADD, Step.KEEP, Step.REPLACE)):
        rooted.rotate(step, PASSPHRASE, root, f"root {number}")
        root = RootKey(root_path(rooted.state_dir), f"root {number}")
        states.append(shipped(rooted))
    assert {the_newest(rooted, state).jwks() for state in states} == {states[-1].jwks()}


def test_a_publisher_without_a_root_gets_one(publisher: Publisher, clock: ManualClock) -> None:
    first, thief = shipped(publisher), unsealed(publisher.state_dir / "publisher.key", PASSPHRASE).key
    publisher.rotate(Step.ADD, PASSPHRASE)
    product = publisher.product_path("acme-cad").read_text()
    rotation = publisher.rotate(Step.KEEP, PASSPHRASE, None, NEW)
    state = the_newest(publisher, first)
    assert [key.role for key in state.keys] == ["root", "issuing", "issuing"]
    assert (rotation.version, rotation.dropped, len(rotation.kept)) == (3, (), 1)
    assert publisher.product_path("acme-cad").read_text() == product
    with pytest.raises(KeyRoleError):  # the signing key cannot name keys any more, whoever has it
        follow(state, [evil(4, as_root(thief), as_issuing(OTHER), signer=thief)])
    with pytest.raises(RootKeyMissingError):
        publisher.rotate(Step.ADD, PASSPHRASE)
    again = Publisher.open(publisher.state_dir, PASSPHRASE, clock, SeededEntropy(78))
    assert unsealed(publisher.state_dir / "publisher.key", PASSPHRASE).role == "issuing"
    assert again.rotate(Step.FINISH, PASSPHRASE, RootKey(root_path(publisher.state_dir), NEW)).version == 4


# --- what can go wrong -----------------------------------------------------------------------------------------------


def test_without_the_old_root_or_a_passphrase_nothing_changes(rooted: Publisher, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in rooted.state_dir.glob("publisher*")}
    with pytest.raises(RootKeyMissingError):
        rooted.rotate(Step.KEEP, PASSPHRASE, None, NEW)
    with pytest.raises(RootKeyMissingError):
        rooted.rotate(Step.KEEP, PASSPHRASE, RootKey(tmp_path / "nothing.key", OLD), NEW)
    with pytest.raises(PassphraseError):
        rooted.rotate(Step.KEEP, PASSPHRASE, RootKey(root_path(rooted.state_dir), "guess"), NEW)
    with pytest.raises(PassphraseMissingError):
        rooted.rotate(Step.KEEP, PASSPHRASE, old_root(rooted), "")
    root_path(rooted.state_dir).chmod(0o644)
    with pytest.raises(FilePermissionsError):
        rooted.rotate(Step.KEEP, PASSPHRASE, old_root(rooted), NEW)
    assert {path: path.read_bytes() for path in rooted.state_dir.glob("publisher*")} == before


def test_a_new_root_that_the_disk_has_spoilt_never_comes_to_count(
    rooted: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = files.replace_file

    def spoilt(path: Path, data: bytes, mode: int) -> Path:
        return original(path, data[:-70] + b"X" + data[-69:], mode)

    with monkeypatch.context() as patched:
        patched.setattr(rootkey, "replace_file", spoilt)
        with pytest.raises(MalformedError):
            rooted.rotate(Step.KEEP, PASSPHRASE, old_root(rooted), NEW)
    assert not rooted.trust_path.exists()
    assert rooted.rotate(Step.KEEP, PASSPHRASE, old_root(rooted), NEW).version == 2


def test_the_new_root_is_private_and_not_the_old_one(rooted: Publisher) -> None:
    old = key_in(old_root(rooted))
    rooted.rotate(Step.KEEP, PASSPHRASE, old_root(rooted), NEW)
    path = root_path(rooted.state_dir)
    assert path.stat().st_mode & 0o777 == 0o600
    assert unsealed(path, NEW).key.seed != old.seed
    with pytest.raises(PassphraseError):
        unsealed(path, OLD)


_EXCHANGE = """
import os, signal, sys
from pathlib import Path
from quorate.publisher.issue import Publisher
from quorate.publisher.rootkey import RootKey, root_path
from quorate.publisher.rotation import Step
from tests.support.clocks import ManualClock, SeededEntropy

folder, left, passphrase, old, new, step = Path(sys.argv[1]), [int(sys.argv[2])], *sys.argv[3:]
publisher = Publisher.open(folder, passphrase, ManualClock(), SeededEntropy(91))
real = os.replace, os.unlink

def counted(call):
    def until_killed(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return until_killed

os.replace, os.unlink = map(counted, real)
publisher.rotate(Step(step), passphrase, RootKey(root_path(folder), old), new)
"""


def _exchange_killed_at(folder: Path, call: int, step: Step) -> bool:
    """Exchange the root key in a process that is killed (SIGKILL) before it names or removes file number `call`.

    Returns whether it was killed: false when it came to its end before.
    """
    arguments = [str(folder), str(call), PASSPHRASE, OLD, NEW, step.value]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", _EXCHANGE, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode != 0


@pytest.mark.parametrize("step", [Step.KEEP, Step.REPLACE])
def test_killed_between_any_two_files_there_is_always_one_root_key_that_works(
    rooted: Publisher, tmp_path: Path, clock: ManualClock, step: Step
) -> None:
    first, versions = shipped(rooted), []
    key = rooted.issue_host_key("Contoso", ["acme"])
    for call in range(1, KILLS_MAX):
        folder = tmp_path / f"killed-{call}"
        shutil.copytree(rooted.state_dir, folder)
        killed = _exchange_killed_at(folder, call, step)
        again = Publisher.open(folder, PASSPHRASE, clock, SeededEntropy(92))
        assert list(folder.glob("*.next")) == []
        state = the_newest(again, first)
        assert state.jwks() == shipped(again).jwks()
        read_issued(HOST_CERTIFICATE, again.confirm(AskingHost(call).request(key)), state)
        read(PRODUCT, again.product_path("acme-cad").read_text().strip(), state.for_issuing())
        versions.append(state.version)
        root = RootKey(root_path(folder), NEW if state.version == 2 else OLD)
        assert again.rotate(Step.KEEP, PASSPHRASE, root, "a third one").version == state.version + 1
        if not killed:
            break
    assert versions == sorted(versions)  # before some file the old state, from there on the new one
    assert set(versions) == {1, 2}
    assert not killed
