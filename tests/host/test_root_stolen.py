"""A stolen root key, seen from a host: who followed the thief is set right by hand, who did not never follows him."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.core.documents import SigningKey, sign
from quorate.core.succession import TRUST, Trust
from quorate.errors import RetiredKeyError, UnknownPublisherError
from quorate.host.admin.administration import Administration
from quorate.host.settings.paths import StatePaths
from quorate.publisher.issue import Publisher
from quorate.publisher.keysets import with_role
from quorate.publisher.rootkey import RootKey, root_path
from quorate.publisher.rotation import Step
from quorate.publisher.sealed import unsealed
from tests.publisher.world import PASSPHRASE, write_source
from tests.support.clocks import START_S, ManualClock, SeededEntropy
from tests.support.forgery import ATTACKER

ROOT_PASSPHRASE = "the root's own"


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = Publisher.create(
        tmp_path / "publisher", "Acme", PASSPHRASE, ManualClock(), SeededEntropy(5), root_passphrase=ROOT_PASSPHRASE
    )
    made.add_product(write_source(tmp_path))
    return made


@pytest.fixture
def host(tmp_path: Path, publisher: Publisher) -> Administration:
    product = publisher.product_path("acme-cad").read_text()
    paths = StatePaths(tmp_path / "host")
    with Administration.init(paths, product, publisher.jwks_path.read_bytes(), ManualClock(), SeededEntropy(3)) as made:
        made.install_key(publisher.issue_host_key("Contoso", ["acme"]).text)
    return Administration.open(paths, ManualClock(), SeededEntropy(4))


def stolen(publisher: Publisher) -> SigningKey:
    return unsealed(root_path(publisher.state_dir), ROOT_PASSPHRASE).key


def by_the_thief(thief: SigningKey, version: int) -> str:
    keys = (with_role(thief.public(), "root"), with_role(ATTACKER.public(), "issuing"))
    return sign(TRUST, Trust(publisher="Acme", issued_s=START_S, version=version, keys=keys), thief)


def exchange(publisher: Publisher) -> str:
    publisher.rotate(Step.REPLACE, PASSPHRASE, RootKey(root_path(publisher.state_dir), ROOT_PASSPHRASE), "the next one")
    return publisher.trust_path.read_text()


def test_a_host_that_followed_the_publisher_never_follows_the_old_root(
    publisher: Publisher, host: Administration
) -> None:
    thief = stolen(publisher)
    with host:
        chain = exchange(publisher)
        assert host.update([("publisher.trust", chain)]).version == 2
        with pytest.raises(RetiredKeyError):
            host.update([("publisher.trust", chain + by_the_thief(thief, 3))])
        # A past of his own is passed over unread up to the version that is known, and has nothing behind it.
        with pytest.raises(RetiredKeyError):
            host.update([("publisher.trust", by_the_thief(thief, 2) + "\n" + by_the_thief(thief, 3))])
        assert host.status().keys_version == 2


def test_a_host_that_followed_the_thief_begins_again_without_its_chain(
    publisher: Publisher, host: Administration
) -> None:
    thief = stolen(publisher)
    with host:
        host.update([("publisher.trust", by_the_thief(thief, 2) + "\n" + by_the_thief(thief, 3))])
        chain = exchange(publisher)
        publisher.rotate(Step.ADD, PASSPHRASE, RootKey(root_path(publisher.state_dir), "the next one"))
        publisher.rotate(Step.ADD, PASSPHRASE, RootKey(root_path(publisher.state_dir), "the next one"))
        chain = publisher.trust_path.read_text()
        with pytest.raises(UnknownPublisherError):
            host.update([("publisher.trust", chain)])
        host.keyring.paths.chain.unlink()
        assert host.update([("publisher.trust", chain)]).version == 4
        host.activate(publisher.confirm(host.request()))
        assert host.status().activated
