"""`docs/how-to/rotate-the-publishers-keys.md`, typed as it stands there, and what clients in the field make of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from quorate.core.documents import HOST_CERTIFICATE, read, sign
from quorate.core.succession import TRUST, Trust, TrustState, chain_of, follow, follow_chain
from quorate.core.trust import Anchor, check_certificate
from quorate.errors import RetiredKeyError
from quorate.publisher.keysets import with_role
from quorate.publisher.sealed import unsealed
from tests.cli.desk import Desk, lines
from tests.publisher.world import PASSPHRASE
from tests.support.documents import signing_key
from tests.support.forgery import ATTACKER

SAFE = "/media/safe/publisher-root.key"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A publisher without a root key, and a host that it has activated."""
    made = Desk(tmp_path, monkeypatch)
    made.said("host", "init", "--product", "acme-cad.product", "--trust", "publisher.jwks")
    made.said("host", "install-key", made.key)
    made.said("host", "request", "-o", "contoso.req")
    made.said("publisher", "confirm", "contoso.req", "-o", "contoso.cert")
    made.said("host", "activate", "--confirmation", "contoso.cert")
    return made


def typed(desk: Desk) -> dict[str, dict[str, object]]:
    """What each command of the page says, by title and command; a new root key is put away as the page says."""
    told: dict[str, dict[str, object]] = {}
    safe, put_away = desk.folder / "safe.key", 0
    for title, words in lines("rotate-the-publishers-keys.md"):
        assert words[0] == "quorate"
        told[f"{title}: {words[2]}"] = desk.said(*(str(safe) if word == SAFE else word for word in words[1:]))
        if "--new-root" in words:
            if safe.exists():
                shutil.move(safe, desk.folder / f"old-{put_away}.key")
                put_away += 1
            shutil.move(desk.folder / "publisher" / "publisher-root.key", safe)
    return told


def test_the_page_works_as_it_is_written_and_what_shipped_follows(desk: Desk) -> None:
    product, jwks = Path("acme-cad.product").read_text(), Path("publisher.jwks").read_bytes()
    told = typed(desk)
    versions = {"The signing key was stolen": 5, "Exchange the root key": 6, "The root key was stolen": 7}
    for title, version in versions.items():
        status = told[f"{title}: status"]
        assert (status["activated"], status["keys_version"]) == (True, version), title
    assert told["Exchange the root key: rotate"]["hosts_to_renew"] == []
    assert told["When it is interrupted: list"]["trust_version"] == 7
    anchor = Anchor.load(product, jwks)  # as a client has it that shipped before all this
    newest = follow_chain(anchor.shipped, chain_of(Path("publisher.trust").read_text()))
    last, first = (Path(name).read_text().strip() for name in ("contoso-4.cert", "contoso.cert"))
    certificate = read(HOST_CERTIFICATE, last, newest.for_issuing())
    check_certificate(last, anchor, certificate.issued_s, newest)
    with pytest.raises(RetiredKeyError):
        check_certificate(first, anchor, certificate.issued_s, newest)


def test_no_old_root_key_leads_a_host_anywhere(desk: Desk) -> None:
    typed(desk)
    chain = Path("publisher.trust").read_text()
    state = follow_chain(TrustState.shipped(Path("publisher.jwks").read_bytes()), chain_of(chain))
    keys = (with_role(ATTACKER.public(), "root"), with_role(signing_key(67).public(), "issuing"))
    for number in (0, 1):
        thief = unsealed(desk.folder / f"old-{number}.key", PASSPHRASE).key
        claims = Trust(publisher="Acme Software", issued_s=1, version=state.version + 1, keys=keys)
        token = sign(TRUST, claims, thief)
        with pytest.raises(RetiredKeyError):
            follow(state, [token])
        Path("evil.trust").write_text(chain + token + "\n")
        code, out, _ = desk.ended("host", "update", "evil.trust")
        assert (code, json.loads(out)["error"]) == (1, "RETIRED_KEY")
        assert desk.ended("publisher", "rotate", "--root-key", f"old-{number}.key")[0] == 1
    assert desk.said("host", "status")["keys_version"] == state.version
