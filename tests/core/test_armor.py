"""Documents as text: what mail and people do to text does no harm, damage is told as damage, the rest as foreign."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.armor import TEXT_BYTES_MAX, armored, dearmored, text_of
from quorate.core.documents import HOST_CERTIFICATE, HOST_REQUEST, PRODUCT, DocumentKind, sign
from quorate.errors import MalformedError, TextDamagedError, TextForeignError
from tests.support.documents import World

WORLD = World()
REQUEST = sign(HOST_REQUEST, WORLD.host_request(), WORLD.host_key)
CERTIFICATE = WORLD.certificate_token()
TEXT = armored(REQUEST)


def test_the_text_has_short_lines_of_harmless_letters() -> None:
    lines = TEXT.splitlines()
    assert lines[0] == "-----BEGIN QUORATE HOST REQUEST-----"
    assert lines[-1] == "-----END QUORATE HOST REQUEST-----"
    assert max(map(len, lines)) <= 64
    assert not set("-_=<>\"'*`\\") & set("".join(lines[1:-1]))


MISHAPS: dict[str, Callable[[str], str]] = {
    "none": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "old line ends": lambda text: text.replace("\n", "\r"),
    "quoted once": lambda text: "".join(f"> {line}\n" for line in text.splitlines()),
    "quoted thrice": lambda text: "".join(f">>> {line}\n" for line in text.splitlines()),
    "quoted with bars": lambda text: "".join(f"| > {line}\n" for line in text.splitlines()),
    "trailing blanks": lambda text: text.replace("\n", "  \t\n"),
    "hard blanks": lambda text: text.replace("\n", "\u00a0\n").replace("HOST REQUEST", "HOST\u00a0REQUEST"),
    "indented": lambda text: textwrap.indent(text, "        "),
    "double spaced": lambda text: text.replace("\n", "\n\n"),
    "on one line": lambda text: " ".join(text.split()),
    "without any break": lambda text: text.replace("\n", ""),
    "broken at 40": lambda text: "\n".join(textwrap.wrap(text, 40)),
    "broken at 25, quoted": lambda text: "\n".join("> " + line for line in textwrap.wrap(text, 23)),
    "long dashes": lambda text: text.replace("--", "\u2014"),
    "shorter long dashes": lambda text: text.replace("--", "\u2013"),
    "hard hyphens": lambda text: text.replace("-", "\u2011"),
    "soft hyphens and joiners": lambda text: text.replace("\n", "\u00ad\u200b\n"),
    "a byte order mark": lambda text: "\ufeff" + text,
    "a mail around it": lambda text: f"Dear Acme,\n-- here it is --\n\n{text}\n-- \nBob > BEGIN of nothing\n",
    "twice in one mail": lambda text: text + "\n> " + text.replace("\n", "\n> "),
}


@pytest.mark.parametrize("mishap", list(MISHAPS))
@pytest.mark.parametrize("kind", ["request", "certificate", "product"])
def test_what_mail_does_to_text_does_no_harm(mishap: str, kind: str) -> None:
    documents: dict[str, tuple[str, DocumentKind[Any]]] = {
        "request": (REQUEST, HOST_REQUEST),
        "certificate": (CERTIFICATE, HOST_CERTIFICATE),
        "product": (WORLD.product_token, PRODUCT),
    }
    token, what = documents[kind]
    assert dearmored(MISHAPS[mishap](armored(token)), what) == token


@pytest.mark.parametrize("mishap", ["none", "CRLF", "quoted once", "broken at 40", "a byte order mark"])
def test_a_token_alone_is_well_too(mishap: str) -> None:
    wrapped = "\n".join(REQUEST[at : at + 76] for at in range(0, len(REQUEST), 76)) + "\n"
    assert dearmored(MISHAPS[mishap](wrapped), HOST_REQUEST) == REQUEST


def test_the_other_document_in_the_same_mail_is_passed_over() -> None:
    mail = f"> {TEXT}\n{armored(CERTIFICATE)}"
    assert dearmored(mail, HOST_REQUEST) == REQUEST
    assert dearmored(mail, HOST_CERTIFICATE) == CERTIFICATE


LINES = TEXT.splitlines(keepends=True)
DAMAGE = {
    "a letter changed": TEXT.replace(LINES[3], LINES[3][:10] + ("A" if LINES[3][10] != "A" else "B") + LINES[3][11:]),
    "a letter lost": TEXT.replace(LINES[3], LINES[3][1:]),
    "a line lost": TEXT.replace(LINES[3], ""),
    "two lines exchanged": "".join([*LINES[:2], LINES[3], LINES[2], *LINES[4:]]),
    "cut off": TEXT[:400],
    "cut off before its end": "".join(LINES[:-1]),
    "its beginning lost": "".join(LINES[1:]),
    "half of its BEGIN line": TEXT.replace("HOST REQUEST-----\n", "\n", 1),
    "no checksum": "".join([*LINES[:-2], LINES[-1]]),
    "half a checksum": TEXT.replace(LINES[-2], LINES[-2][:5] + "\n"),
    "a remark in the middle": TEXT.replace(LINES[3], LINES[3] + "On Monday Bob wrote:\n"),
    "cut off, then another": "".join(LINES[:-1]) + TEXT,
    "capitals only": "".join([LINES[0], *[line.upper() for line in LINES[1:-2]], *LINES[-2:]]),
}


@pytest.mark.parametrize("text", list(DAMAGE.values()), ids=list(DAMAGE))
def test_damage_is_told_as_damage(text: str) -> None:
    with pytest.raises(TextDamagedError) as caught:
        dearmored(text, HOST_REQUEST)
    assert caught.value.code == "TEXT_DAMAGED"
    assert "Copy it again" in caught.value.hint


FOREIGN = {
    "the certificate": (armored(CERTIFICATE), "this is a host certificate"),
    "the product": (armored(WORLD.product_token), "this is a product"),
    "a later kind": (TEXT.replace("HOST REQUEST", "LICENSE TRANSFER"), "document of another kind"),
    "a letter": ("Dear Acme. Please.find enclosed nothing.", "no document in this text"),
    "nothing": ("", "no document in this text"),
    "a PGP block": ("-----BEGIN PGP MESSAGE-----\nabc\n-----END PGP MESSAGE-----", "no document"),
    "two of them": (
        TEXT + armored(sign(HOST_REQUEST, WORLD.host_request(machine="other"), WORLD.host_key)),
        "several different ones",
    ),
}


@pytest.mark.parametrize(("text", "told"), list(FOREIGN.values()), ids=list(FOREIGN))
def test_what_is_foreign_is_not_called_damaged(text: str, told: str) -> None:
    with pytest.raises(TextForeignError, match=told) as caught:
        dearmored(text, HOST_REQUEST)
    assert "Nothing is damaged" in caught.value.hint


def test_only_what_travels_between_people_becomes_text() -> None:
    with pytest.raises(MalformedError):
        armored("no.token.here")
    with pytest.raises(MalformedError):
        armored(WORLD.answer(WORLD.lease()).answer)


def test_a_text_longer_than_a_mail_is_refused() -> None:
    with pytest.raises(MalformedError, match="longer than"):
        dearmored("-" * (TEXT_BYTES_MAX + 1), HOST_REQUEST)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_whatever_program_saved_the_file_the_text_is_found(encoding: str) -> None:
    mail = f"Schöne Grüße — Jürgen\n{TEXT.replace('--', chr(0x2013))}"
    assert dearmored(text_of(mail.encode(encoding)), HOST_REQUEST) == REQUEST


@pytest.mark.parametrize("text", ["-" * TEXT_BYTES_MAX, "BEGIN QUORATE HOST REQUEST-" * 9000, "> " * 100_000])
def test_a_text_made_to_take_long_takes_no_time(text: str) -> None:
    with pytest.raises(MalformedError):
        dearmored(text, HOST_REQUEST)


@given(data=st.binary(max_size=400))
def test_no_bytes_escape_as_anything_but_malformed(data: bytes) -> None:
    for text in (text_of(data), LINES[0] + text_of(data) + LINES[-1]):
        try:
            dearmored(text, HOST_REQUEST)
        except MalformedError:
            continue


@given(seed=st.integers(0, 2**32), width=st.integers(8, 200), quote=st.sampled_from(["", "> ", ">> ", "| ", "\t"]))
def test_wrapped_anywhere_and_quoted_it_is_the_same(seed: int, width: int, quote: str) -> None:
    shuffled = random.Random(seed)
    text = "".join(letter + " \n"[: shuffled.randrange(3)] if letter in "\n+/." else letter for letter in TEXT)
    broken = [text[at : at + width] for at in range(0, len(text), width)]
    assert dearmored("".join(f"{quote}{piece}\r\n" for piece in broken if piece), HOST_REQUEST) == REQUEST


@given(number=st.integers(0, 10**9), mishap=st.sampled_from(sorted(MISHAPS)))
def test_any_request_survives_any_mishap(number: int, mishap: str) -> None:
    token = sign(HOST_REQUEST, WORLD.host_request(machine=f"kms{number}"), WORLD.host_key)
    assert dearmored(MISHAPS[mishap](armored(token)), HOST_REQUEST) == token


@given(at=st.integers(0, len(TEXT) - 1), letter=st.sampled_from("ABCxyz019+/.#"))
def test_one_wrong_letter_never_gives_another_document(at: int, letter: str) -> None:
    changed = TEXT[:at] + letter + TEXT[at + 1 :]
    try:
        assert dearmored(changed, HOST_REQUEST) == REQUEST
    except (TextDamagedError, TextForeignError):
        assert changed != TEXT
