"""Documents as text that survives mail, chat, and copy and paste (spec/protocol.md, section 10).

    -----BEGIN QUORATE HOST REQUEST-----
    eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoi...                (64 characters a line)
    #Zm9vYmFy
    -----END QUORATE HOST REQUEST-----

Between the marks stands the token, its `-` and `_` written `+` and `/`: dashes are what mail programs and word
processors change, and underscores are what others take for italics. White space and quotation marks (`>`, `|`) may
come in anywhere, lines may be broken anew, dashes of the marks may be exchanged for typographic ones. The line with `#`
is a checksum, so that damage is told as damage, and not as a forgery.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any, Final

from quorate.core.documents import DocumentKind, typ_of
from quorate.core.ids import b64url
from quorate.errors import MalformedError, TextDamagedError, TextForeignError

__all__ = ["TEXT_BYTES_MAX", "armored", "dearmored", "text_of"]

TEXT_BYTES_MAX: Final = 256 * 1024  # a mail with its headers and what it quotes; the largest document in it is 64 KiB
_LINE: Final = 64
_NAMES: Final = {
    "host-request+jwt": "HOST REQUEST",
    "host-certificate+jwt": "HOST CERTIFICATE",
    "product+jwt": "PRODUCT",
}
_BEGIN, _END = "BEGINQUORATE", "ENDQUORATE"  # as they stand once all white space is gone
_TO_MAIL = str.maketrans("-_", "+/")
_FROM_MAIL = str.maketrans("+/", "-_")
_BETWEEN = re.compile(r"[\t-\r \x85\u2028\u2029>|]+")  # white space but for spaces, which go with their kind (`_dash`)
_LABEL = re.compile(r"[A-Z]{1,40}(?=-)")
_BODY = re.compile(r"([A-Za-z0-9+/.]*)#([A-Za-z0-9+/]*)\Z")
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")


def armored(token: str) -> str:
    """The text of a token, lines of at most 64 characters, the last one ended.

    Raises:
        MalformedError: not a document that is sent as text.
    """
    name = _NAMES.get(typ_of(token) or "")
    if name is None:
        raise MalformedError(what="the document", reason="it is not a document that travels as text")
    data = token.translate(_TO_MAIL)
    lines = [data[at : at + _LINE] for at in range(0, len(data), _LINE)]
    begin, end = f"-----BEGIN QUORATE {name}-----", f"-----END QUORATE {name}-----"
    return "\n".join([begin, *lines, f"#{_checksum(token)}", end, ""])


def dearmored(text: str, kind: DocumentKind[Any]) -> str:
    """The token in a text: between its marks, whatever stands around them, or alone. It is not verified by this.

    Raises:
        TextDamagedError: something was lost or changed on the way.
        TextForeignError: well, but another document, or none.
        MalformedError: longer than a mail may be.
    """
    if len(text) > TEXT_BYTES_MAX:
        raise MalformedError(what=kind.what, reason=f"the text is longer than {TEXT_BYTES_MAX} bytes")
    plain = _plain(text)
    wanted = _NAMES[kind.typ]
    if _BEGIN not in plain:
        return _bare(plain, kind, wanted)
    found: dict[str, None] = {}
    others: list[str] = []
    for label, body in _blocks(plain, kind):
        if label == wanted.replace(" ", ""):
            found[_token(body, kind)] = None
        else:
            others.append(label)
    if len(found) > 1:
        raise TextForeignError(what=kind.what, reason="several different ones stand in this text", wanted=wanted)
    if not found:
        known = {name.replace(" ", ""): name.lower() for name in _NAMES.values()}
        shown = known.get(others[0], "document of another kind")
        raise TextForeignError(what=kind.what, reason=f"this is a {shown}", wanted=wanted)
    return next(iter(found))


def text_of(data: bytes) -> str:
    """The text in a file that some program saved: UTF-8, or UTF-16 with its mark, or else one byte a character.

    Never fails: letters that come out wrong stand outside the marks, or are found by the checksum.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _plain(text: str) -> str:
    """Every dash a hyphen; white space, quotation marks and invisible marks gone."""
    return "".join(_dash(letter) for letter in _BETWEEN.sub("", text))


def _dash(letter: str) -> str:
    if letter.isascii():
        return letter
    category = unicodedata.category(letter)
    if category == "Pd" or letter == "\u2212":
        return "-"
    return "" if category in ("Zs", "Cf") else letter


def _blocks(plain: str, kind: DocumentKind[Any]) -> list[tuple[str, str]]:
    """Label and content of every block. Each step goes forward in the text, so it ends."""
    blocks = []
    at = plain.find(_BEGIN)
    while at >= 0:
        label = _LABEL.match(plain, at + len(_BEGIN))
        if label is None:
            raise TextDamagedError(what=kind.what, reason="its BEGIN line is not whole")
        end = plain.find(_END + label[0], label.end())
        following = plain.find(_BEGIN, label.end())
        if end < 0 or 0 <= following < end:
            raise TextDamagedError(what=kind.what, reason="its END line is missing, so it is cut off")
        blocks.append((label[0], plain[label.end() : end].strip("-")))
        at = following
    return blocks


def _token(body: str, kind: DocumentKind[Any]) -> str:
    found = _BODY.match(body)
    if found is None:
        raise TextDamagedError(what=kind.what, reason="there are foreign characters in it, or its checksum is missing")
    token = found[1].translate(_FROM_MAIL)
    if found[2] != _checksum(token):
        raise TextDamagedError(what=kind.what, reason="its content does not fit its checksum")
    return token


def _bare(plain: str, kind: DocumentKind[Any], wanted: str) -> str:
    if _END in plain:
        raise TextDamagedError(what=kind.what, reason="its BEGIN line is missing, so it is cut off")
    if not _TOKEN.match(plain):
        raise TextForeignError(what=kind.what, reason="there is no document in this text", wanted=wanted)
    return plain


def _checksum(token: str) -> str:
    return b64url(hashlib.sha256(token.encode("ascii")).digest()[:6]).translate(_TO_MAIL)
