"""Names that the publisher gives: refused where they are typed, or good for every document they will stand in."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.core.documents import HOST_CERTIFICATE, read
from quorate.errors import InvalidSettingError, InvalidSourceError
from quorate.publisher.issue import Publisher
from tests.publisher.world import PASSPHRASE, SOURCE, AskingHost, new_publisher, write_source
from tests.support.clocks import ManualClock, SeededEntropy

UNFIT = [
    *("", " ", "\u00a0\u3000", "\u200b", "\u200b\u200d\ufeff", "\u3164", "\u2800", "\U000e0041", "\u202a\u202c"),
    *("Contoso\u202eDTL", "Contoso\u2028Inc", "Contoso\u2029", "\u2066Contoso", "Contoso\x85", "a\nb", "a\tb"),
    *("\u00ad", "\x1b[2J", "Contoso\udce9", "x" * 201),
]
FIT = [
    *("Contoso", "Łódź", "שלום בע״מ", "x" * 200, "\U0001f469\u200d\U0001f4bb", "a\u200fb", "Société — Lyon"),
    "' OR 1=1 --",
]


@pytest.mark.parametrize("name", UNFIT, ids=ascii)
def test_an_unfit_name_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    clock = ManualClock()
    with pytest.raises(InvalidSettingError, match="--name"):
        Publisher.create(tmp_path / "other", name, PASSPHRASE, clock, SeededEntropy(1))
    assert not (tmp_path / "other").exists()
    publisher = new_publisher(tmp_path, clock)
    with pytest.raises(InvalidSettingError, match="--customer"):
        publisher.issue_host_key(name, ["acme"])
    assert publisher.ledger.totals().host_keys == 0
    escaped = "".join(c if c.isascii() and c.isprintable() else f"\\U{ord(c):08x}" for c in name)
    if "\udce9" not in name:  # no file can hold that
        with pytest.raises(InvalidSourceError):
            publisher.add_product(write_source(tmp_path, SOURCE.replace("Acme CAD", escaped, 1)))


@pytest.mark.parametrize("name", FIT, ids=ascii)
def test_a_fit_name_is_confirmed_in_a_certificate(tmp_path: Path, name: str) -> None:
    publisher = new_publisher(tmp_path, ManualClock())
    key = publisher.issue_host_key(name, ["acme"])
    token = publisher.confirm(AskingHost(1).request(key))
    assert read(HOST_CERTIFICATE, token, publisher.verify_keys).customer == name
