"""What a file is, told by its beginning; and what editors make of a text."""

from __future__ import annotations

import pytest

from quorate.core.filekinds import FileKind, as_utf8, given_as, kind_of
from quorate.errors import WrongFileError
from tests.support.documents import World

WORLD = World()
PRODUCT = WORLD.product_token.encode()
SOURCE = b'\xef\xbb\xbf# ours\r\nid = "acme-cad"\r\n\r\n[[edition]]\r\nid = "pro"\r\n'
KNOWN = {
    FileKind.PRODUCT: PRODUCT,
    FileKind.PUBLISHER_KEYS: WORLD.jwks,
    FileKind.PRODUCT_SOURCE: SOURCE,
    FileKind.BACKUP: b"\x1f\x8b\x08\0",
    FileKind.DATABASE: b"SQLite format 3\0rest",
    FileKind.KEY_PEM: b"-----BEGIN EC PRIVATE KEY-----\nMHc=\n",
    FileKind.CERTIFICATE_PEM: b"-----BEGIN CERTIFICATE-----\nMIIB\n",
    FileKind.TSIG_KEY: b'# made today\nkey "update" {\n algorithm hmac-sha256;\n',
    FileKind.ARCHIVE: b"PK\x03\x04\x14\0",
}


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.name)
def test_a_file_is_known_by_its_beginning_and_named_where_another_is_wanted(kind: FileKind) -> None:
    assert kind_of(KNOWN[kind]) is kind
    wanted = FileKind.HOST_REQUEST
    with pytest.raises(WrongFileError) as caught:
        given_as(KNOWN[kind], wanted, "x.file")
    assert kind.words in caught.value.message
    assert wanted.words in caught.value.message
    assert kind.belongs[1:] in caught.value.hint


def test_the_two_files_of_init_exchanged_are_told_with_their_places() -> None:
    for data, wanted, option in (
        (WORLD.jwks, FileKind.PRODUCT, "--trust"),
        (PRODUCT, FileKind.PUBLISHER_KEYS, "--product"),
    ):
        with pytest.raises(WrongFileError) as caught:
            given_as(data, wanted, "given")
        assert f"`{option}`" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b" \r\n", b"\xef\xbb\xbf\r\n", b"\xff\xfe"])
def test_an_empty_file_is_said_to_be_empty(data: bytes) -> None:
    with pytest.raises(WrongFileError, match="is empty"):
        given_as(data, FileKind.PRODUCT, "given")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_an_editor_saved_is_the_same_text(encoding: str, line_end: str) -> None:
    text = f'id = "acme"{line_end}name = "Acme"{line_end}'
    assert as_utf8(text.encode(encoding)) == text.encode()
    marked = as_utf8(("\ufeff" + text).encode(encoding) if encoding.endswith("e") else text.encode(encoding))
    assert marked.decode().removeprefix("\ufeff") == text


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0\0", b"\xff\xfe\0", b"\xff\xfe\x00\xd8", b"\xe9t\xe9", b"a\0b\0c"])
def test_what_is_no_text_is_left_as_it_is(data: bytes) -> None:
    assert as_utf8(data) in (data, data[2:])
    assert kind_of(data) is None
