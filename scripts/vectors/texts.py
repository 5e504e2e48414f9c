"""Vectors of section 10: documents as text, and what mail programs do to them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from scripts.vectors.making import HOST, token
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import certificate_token, host_request, nonce, product_token

__all__ = ["vectors"]

REQUEST = "host-request+jwt"
DAMAGED, FOREIGN = invalid("TEXT_DAMAGED"), invalid("TEXT_FOREIGN")


def vectors() -> Iterator[Vector]:
    """All of them."""
    asked = token(REQUEST, host_request(), HOST)
    yield from _good(asked)
    yield from _damaged(asked)
    yield from _foreign(asked)


def _text(name: str, shows: str, text: str, expected: dict[str, Any], typ: str = REQUEST) -> Vector:
    return Vector(f"texts/{name}", shows, "10", "text", {"typ": typ, "text": text}, expected)


def _armored(document: str, name: str = "HOST REQUEST") -> str:
    checksum = base64.b64encode(hashlib.sha256(document.encode("ascii")).digest()[:6]).decode("ascii")
    data = document.replace("-", "+").replace("_", "/")
    lines = [data[at : at + 64] for at in range(0, len(data), 64)]
    begin, end = f"-----BEGIN QUORATE {name}-----", f"-----END QUORATE {name}-----"
    return "\n".join([begin, *lines, f"#{checksum}", end, ""])


def _good(asked: str) -> Iterator[Vector]:
    for document, name, typ in (
        (asked, "HOST REQUEST", REQUEST),
        (certificate_token(), "HOST CERTIFICATE", "host-certificate+jwt"),
        (product_token(), "PRODUCT", "product+jwt"),
    ):
        label = name.lower().replace(" ", "-")
        yield _text(label, f"A {name.lower()} as text.", _armored(document, name), valid(token=document), typ)
    good = _armored(asked)
    mail = f"Hello,\n\nhere it is:\n\n{good}\nRegards - the >admins< of Contoso | IT\n"
    other = _armored(certificate_token(), "HOST CERTIFICATE")
    for name, shows, text in (
        ("in-a-mail", "Whatever stands around the marks does not matter.", mail),
        (
            "quoted",
            "Quotation marks at the beginning of lines do no harm.",
            "".join(f"> {line}\n" for line in mail.splitlines()),
        ),
        ("quoted-with-bars", "Nor do bars.", "".join(f"| > {line}\n" for line in good.splitlines())),
        ("carriage-returns", "Line breaks may be of any kind.", good.replace("\n", "\r\n")),
        ("one-line", "Lines may be joined.", good.replace("\n", " ")),
        ("broken-anew", "Lines may be broken anew.", "\n".join(good[at : at + 40] for at in range(0, len(good), 40))),
        ("trailing-blanks", "Blanks at the ends of lines do no harm.", good.replace("\n", " \t\n")),
        ("typographic-dashes", "Word processors make dashes of hyphens.", good.replace("-----", "\u2014\u2014\u2212")),
        ("few-dashes", "Any number of dashes may stand around a mark.", good.replace("-----", "-")),
        ("invisible-marks", "Invisible marks and hard spaces do no harm.", good.replace("\n", "\u200b\n\u00a0")),
        ("next-line", "U+0085 and U+2028 are white space as well.", good.replace("\n", "\u0085\u2028")),
        ("dashes-apart", "White space may stand between the dashes.", good.replace("-----BEGIN", "- -\u2013 BEGIN")),
        ("twice", "The same document may stand there twice.", good + "\n" + good),
        ("beside-another", "Another document may stand beside it.", other + good),
        ("bare", "A document without marks is taken.", asked + "\n"),
        ("bare-broken", "So is one that is broken into lines.", "\n".join([asked[:70], asked[70:150], asked[150:]])),
    ):
        yield _text(name, shows, text, valid(token=asked))


def _damaged(asked: str) -> Iterator[Vector]:
    good = _armored(asked)
    lines = good.splitlines(keepends=True)
    changed = lines[2][:20] + ("A" if lines[2][20] != "A" else "B") + lines[2][21:]
    for name, shows, text in (
        ("changed", "One changed letter is found.", "".join([*lines[:2], changed, *lines[3:]])),
        ("line-lost", "A lost line is found.", "".join(lines[:2] + lines[3:])),
        ("lines-exchanged", "Exchanged lines are found.", "".join([lines[0], lines[2], lines[1], *lines[3:]])),
        ("end-lost", "Without its END line it is cut off.", "".join(lines[:-1])),
        ("begin-lost", "Without its BEGIN line it is cut off.", "".join(lines[1:])),
        ("checksum-lost", "The checksum must be there.", "".join(line for line in lines if not line.startswith("#"))),
        (
            "foreign-letters",
            "Letters that do not belong there are found.",
            good.replace(lines[2], lines[2][:10] + "\u2026\n"),
        ),
        ("capitals", "Changed capitals are found.", "".join([*lines[:2], lines[2].lower(), *lines[3:]])),
        (
            "end-of-another",
            "The END line is that of the same name.",
            good.replace("END QUORATE HOST REQUEST", "END QUORATE PRODUCT"),
        ),
    ):
        yield _text(f"damaged-{name}", shows, text, DAMAGED)


def _foreign(asked: str) -> Iterator[Vector]:
    second = token(REQUEST, host_request(jti=nonce(102)), HOST)
    for name, shows, text in (
        (
            "another-kind",
            "A certificate is told from a damaged request.",
            _armored(certificate_token(), "HOST CERTIFICATE"),
        ),
        ("unknown-kind", "So is a document of a name that is not known.", _armored(asked, "SHOPPING LIST")),
        ("nothing", "An empty text holds no document.", ""),
        ("sentence", "A mail that lost its attachment holds no document.", "Please find attached the host request.\n"),
        (
            "pem",
            "A text of another program is none of ours.",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        ),
        ("two-different", "Two different documents of one name are none.", _armored(asked) + _armored(second)),
    ):
        yield _text(f"foreign-{name}", shows, text, FOREIGN)
    long = _armored(asked) + " " * 262_144
    yield _text("too-long", "A text has at most 262144 characters.", long, invalid("MALFORMED_DOCUMENT"))
