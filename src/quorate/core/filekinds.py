"""What a file is, told by its beginning, so that the wrong one is named when a command is given it.

Every file that a person names for a purpose goes through `given_as`: what an editor made of a text (UTF-16, a byte
order mark) is put right, and a file of another known kind is refused with what it is and where it belongs. What is of
no known kind goes on to the reader of what was wanted, which says what is wrong with it.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Final

from quorate.core.documents import typ_of
from quorate.errors import WrongFileError

__all__ = ["SEALED_BACKUP_MARK", "FileKind", "as_utf8", "check_kind", "given_as", "kind_of"]

SEALED_BACKUP_MARK: Final = b"quorate-backup-1\n"
_LOOKED_AT: Final = 256 * 1024  # bytes that are looked at; a document that can be taken for another one is shorter
_BOM_8, _BOM_16_LITTLE, _BOM_16_BIG = b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"


class FileKind(Enum):
    """Each kind: what people call it, and where it belongs."""

    PRODUCT = (
        "a product file (FILE.product)",
        "`--product` of `quorate host init` and `quorate client init`, and `quorate host add-product`, take it",
    )
    PUBLISHER_KEYS = (
        "a publisher's public keys (publisher.jwks)",
        "`--trust` of `quorate host init` and `quorate client init` takes it",
    )
    HOST_REQUEST = (
        "a host's request (FILE.req)",
        "the publisher answers it: `quorate publisher confirm FILE.req -o FILE.cert`",
    )
    HOST_CERTIFICATE = (
        "a host certificate (FILE.cert)",
        "the host takes it: `quorate host activate --confirmation FILE.cert`",
    )
    TRUST = ("an exchange of a publisher's keys (publisher.trust)", "`quorate host update publisher.trust` takes it")
    REVOCATIONS = (
        "a publisher's revocation list (publisher.revocations)",
        "`quorate host update publisher.revocations` takes it",
    )
    CHECKPOINT = ("a checkpoint of an event log", "`quorate host events verify --checkpoint FILE` takes it")
    LEASE = ("a lease of a KMS client", "it is kept by the client that asked for it")
    BACKUP = ("a backup of a KMS host", "`quorate host restore FILE` takes it")
    SEALED_KEY = ("a publisher's private key, encrypted", "it stays in the publisher's folder and goes nowhere else")
    PRIVATE_KEY = ("a private key", "it is nobody else's: leave it where it is, and give it to nobody")
    PRODUCT_SOURCE = (
        "the source of a product file (product.toml)",
        "sign it first: `quorate publisher product add product.toml`",
    )
    SCENARIO = ("a scenario of the simulator", "`quorate simulate SCENARIO.toml` takes it")
    CERTIFICATE_PEM = ("a TLS certificate (PEM)", "`admin-tls-cert` and `--ca-file` take it")
    KEY_PEM = ("a private key for TLS (PEM)", "`admin-tls-key` takes it")
    TSIG_KEY = ("a TSIG key", "`quorate host set dns-tsig-key FILE` takes it")
    KEYTAB = ("a Kerberos keytab", "`quorate host set dns-keytab FILE` takes it")
    ENROLMENT = ("an enrolment secret", "`quorate client enrolment set FILE` takes it")
    HOST_KEY = ("a host key", "`quorate host install-key` takes it")
    ADMIN_TOKEN = ("a token of administration", "it is sent as `Authorization: Bearer TOKEN`")
    DATABASE = ("a database", "it stays where its program keeps it")
    CONFIGURATION = ("a configuration file", "")  # every text may be one: it is wanted, never found
    PASSPHRASE = ("a file with a passphrase", "")  # as well
    ARCHIVE = ("an archive", "unpack it first, and name the file that is in it")
    PDF = ("a PDF document", "save what is in it as text, or ask for the file itself")

    @property
    def words(self) -> str:
        """What people call it."""
        return str(self.value[0])

    @property
    def belongs(self) -> str:
        """Where it belongs, without a full stop."""
        return str(self.value[1])


_BY_TYP: Final = {
    "product+jwt": FileKind.PRODUCT,
    "host-request+jwt": FileKind.HOST_REQUEST,
    "host-certificate+jwt": FileKind.HOST_CERTIFICATE,
    "trust+jwt": FileKind.TRUST,
    "revocations+jwt": FileKind.REVOCATIONS,
    "event-checkpoint+jwt": FileKind.CHECKPOINT,
    "lease+jwt": FileKind.LEASE,
    "refusal+jwt": FileKind.LEASE,
}
_BY_MAGIC: Final = (
    (SEALED_BACKUP_MARK, FileKind.BACKUP),
    (b"\x1f\x8b", FileKind.BACKUP),  # gzip, as a backup is
    (b"SQLite format 3\0", FileKind.DATABASE),
    (b"PK\x03\x04", FileKind.ARCHIVE),
    (b"%PDF-", FileKind.PDF),
    (b"\x05\x02\0", FileKind.KEYTAB),
)
_BY_TEXT: Final = (
    (re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----"), FileKind.CERTIFICATE_PEM),
    (re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"), FileKind.KEY_PEM),
    (re.compile(r"-----BEGIN QUORATE PRODUCT-----"), FileKind.PRODUCT),
    (re.compile(r"-----BEGIN QUORATE HOST REQUEST-----"), FileKind.HOST_REQUEST),
    (re.compile(r"-----BEGIN QUORATE HOST CERTIFICATE-----"), FileKind.HOST_CERTIFICATE),
    (re.compile(r"key\s+\"?[^\s\"{]+\"?\s*\{"), FileKind.TSIG_KEY),
    (re.compile(r"QE[0-9A-Z]{3}(?:-[0-9A-Z]{1,5}){3,}\s*\Z"), FileKind.ENROLMENT),
    (re.compile(r"QH[0-9A-Z]{3}(?:-[0-9A-Z]{5}){4}\s*\Z"), FileKind.HOST_KEY),
    (re.compile(r"qadm_[A-Za-z0-9_-]{40,60}\s*\Z"), FileKind.ADMIN_TOKEN),
)
_SECRET_TEXTS: Final = (FileKind.ENROLMENT, FileKind.HOST_KEY, FileKind.ADMIN_TOKEN)  # a passphrase may look so
_EDITION = re.compile(r"^\s*\[\[\s*edition\s*\]\]", re.MULTILINE)
_FLEET = re.compile(r"^\s*\[\[\s*(?:population|chapter)\s*\]\]", re.MULTILINE)
_COMMENT = re.compile(r"\A(?:\s|#[^\n]*\n)+")


def given_as(data: bytes, wanted: FileKind, path: object, *also: FileKind) -> bytes:
    """The content of a file that was named as one of a kind: in UTF-8 where it is text.

    Args:
        path: as it was named.
        also: kinds that will do as well.

    Raises:
        WrongFileError: it is of another kind.
    """
    plain = as_utf8(data)
    check_kind(plain, wanted, path, *also)
    return plain


def check_kind(data: bytes, wanted: FileKind, path: object, *also: FileKind) -> None:
    """As `given_as`, for what is in UTF-8 already, or no text."""
    names = " or ".join([wanted.words, *(each.words for each in also if each not in _SECRET_TEXTS)])
    if not data.strip() and wanted is not FileKind.CONFIGURATION:  # which may well say nothing
        raise WrongFileError(path=path, found="empty", wanted=names, belongs="There is nothing in it")
    found = kind_of(data)
    if found is not None and found is not wanted and found not in also:
        belongs = found.belongs[:1].upper() + found.belongs[1:]
        raise WrongFileError(path=path, found=found.words, wanted=names, belongs=belongs)


def as_utf8(data: bytes) -> bytes:
    """A text as UTF-8 without its mark, also where an editor saved it as UTF-16; anything else is left as it is."""
    if data.startswith(_BOM_8):
        return data[len(_BOM_8) :]
    for mark, encoding in ((_BOM_16_LITTLE, "utf-16-le"), (_BOM_16_BIG, "utf-16-be")):
        if data.startswith(mark):
            return _from(data[len(mark) :], encoding, data)
    if len(data) >= 4 and len(data) % 2 == 0:  # without a mark: every second byte of ordinary text is zero
        if not any(data[1::2]) and all(data[::2]):
            return _from(data, "utf-16-le", data)
        if not any(data[::2]) and all(data[1::2]):
            return _from(data, "utf-16-be", data)
    return data


def kind_of(data: bytes) -> FileKind | None:
    """What these bytes are the beginning of; None for none that is known. It is not verified by this."""
    for magic, kind in _BY_MAGIC:
        if data.startswith(magic):
            return kind
    try:
        text = as_utf8(data[:_LOOKED_AT]).decode("utf-8", "ignore").strip()
    except ValueError:
        return None
    if text.startswith("eyJ"):
        return _signed(text)
    if text.startswith("{"):
        return _json(text)
    said = _COMMENT.sub("", text)
    for pattern, kind in _BY_TEXT:
        if pattern.match(said):
            return kind
    if _EDITION.search(text) and "=" in text:
        return FileKind.PRODUCT_SOURCE
    return FileKind.SCENARIO if _FLEET.search(text) and "=" in text else None


def _signed(text: str) -> FileKind | None:
    first = text.split(None, 1)[0]
    found = _BY_TYP.get(typ_of(first) or "")
    return FileKind.SEALED_KEY if found is None and first.count(".") == 4 else found


def _json(text: str) -> FileKind | None:
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(members.get("keys"), list):
        return FileKind.PUBLISHER_KEYS
    return FileKind.PRIVATE_KEY if "kty" in members and "d" in members else None


def _from(data: bytes, encoding: str, otherwise: bytes) -> bytes:
    try:
        return data.decode(encoding).lstrip("\ufeff").encode("utf-8")
    except UnicodeError:
        return otherwise
