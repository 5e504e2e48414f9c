"""Vectors of sections 7 and 9: product keys, what is computed from them, lineage links, and renewal windows."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, Final

from scripts.vectors.making import HOST, OTHER_HOST, b64url
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import CMID, DAY, HOST_ID, NONCE, NOW, cmid, link, nonce

__all__ = ["vectors"]

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
KEY: Final = "QHR4TYBMK3VJ9DNXC2WG7PFZ"  # 24 symbols; the check digit comes behind


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _product_keys()
    yield from _bad_product_keys()
    yield from _key_proofs()
    yield from _links()
    yield from _windows()
    yield from _waits()
    yield from _clocks()


def _checked(symbols: str) -> str:
    """The whole key, in groups, of its first 24 symbols: found by trying the 31 last ones."""
    for last in ALPHABET:
        whole = symbols + last
        if sum(place * ALPHABET.index(each) for place, each in enumerate(whole, 1)) % 31 == 0:
            return "-".join(whole[at : at + 5] for at in range(0, 25, 5))
    raise ValueError("31 is a prime: one of them fits")


def _verifier(key: str) -> bytes:
    return hashlib.sha256(b"quorate-host-key-verifier:" + key.encode("ascii")).digest()


def _outcome(key: str) -> dict[str, Any]:
    return valid(
        key=key,
        key_id=b64url(hashlib.sha256(b"quorate-host-key-id:" + key.encode("ascii")).digest()[:12]),
        verifier=b64url(_verifier(key)),
        last_five=key[-5:],
    )


def _typed(name: str, shows: str, typed: str, expected: dict[str, Any]) -> Vector:
    return Vector(f"product-keys/{name}", shows, "9", "product-key", {"typed": typed}, expected)


def _product_keys() -> Iterator[Vector]:
    key = _checked(KEY)
    other = _checked("QH" + "2" * 22)
    for name, shows, typed, whole in (
        ("usual", "A host key as it was handed out.", key, key),
        ("smallest-symbols", "Symbols of value 0 add nothing to the sum.", other, other),
        ("lower-case", "Capitals do not matter when it is typed.", key.lower(), key),
        ("without-dashes", "Nor do dashes.", key.replace("-", ""), key),
        ("spaces", "Nor spaces in their place, or around it.", f"  {key.replace('-', ' ')}\n", key),
        ("other-groups", "Nor how it is grouped.", f"{key[:3]}-{key[3:]}", key),
        ("en-dashes", "Word processors make other dashes of hyphens.", key.replace("-", "\u2013"), key),
        ("minus-signs", "A minus sign is a dash as well.", key.replace("-", "\u2212"), key),
        ("hard-spaces", "A space that does not break is a space.", key.replace("-", "\u00a0"), key),
        ("invisible-marks", "Marks that cannot be seen do no harm.", key.replace("-", "\u00ad-\u200b\ufeff"), key),
        ("lines", "Tabs and line breaks come with copying.", key.replace("-", "-\r\n\t"), key),
    ):
        yield _typed(name, shows, typed, _outcome(whole))


def _bad_product_keys() -> Iterator[Vector]:
    key = _checked(KEY)
    refused = invalid("PRODUCT_KEY_INVALID")
    wrong = "3" if key[8] != "3" else "4"
    for name, shows, typed in (
        ("one-wrong-symbol", "One wrong symbol is found.", key[:8] + wrong + key[9:]),
        ("two-exchanged", "Two symbols exchanged are found.", key[:2] + key[3] + key[2] + key[4:]),
        ("wrong-check-digit", "The last symbol must fit.", key[:-1] + ("2" if key[-1] != "2" else "3")),
        ("too-short", "24 symbols are too few.", key[:-1]),
        ("too-long", "26 symbols are too many.", key + "2"),
        ("twice", "Two keys are none.", key + key),
        ("empty", "Nothing is no key.", ""),
        ("letter-o", "O is none of the symbols: it looks like a zero.", key[:-1] + "O"),
        ("digit-one", "1 is none of the symbols.", key[:-1] + "1"),
        ("foreign-letter", "A letter that looks alike is another letter.", key.replace("H", "\u041d", 1)),
        ("foreign-digit", "Digits of other scripts are none.", key[:-1] + "\u0662"),
        (
            "foreign-mark",
            "A key that fits its check digit and does not begin with QH is none of ours.",
            _checked("AB" + KEY[2:]),
        ),
        ("sentence", "A sentence is no key.", "the key is in the mail"),
        ("underscores", "An underscore is none of the marks passed over.", key.replace("-", "_")),
        ("dots", "Nor is a dot.", key.replace("-", ".")),
        ("form-feed", "Nor is another control character than tab and line break.", key + "\f"),
        ("sharp-s", "One letter is never two: \u00df is not SS.", key[:-2] + "\u00df"),
        ("wide-letters", "Letters of full width are other letters.", key.replace("Q", "\uff31")),
    ):
        yield _typed(name, shows, typed, refused)


def _key_proofs() -> Iterator[Vector]:
    for name, shows, key, host_id, thumbprint, request in (
        ("usual", "The proof of one request.", _checked(KEY), HOST_ID, HOST.kid, nonce(101)),
        ("other-request", "Another request has another proof.", _checked(KEY), HOST_ID, HOST.kid, nonce(102)),
        (
            "other-host-key",
            "Another signing key has another proof.",
            _checked(KEY),
            HOST_ID,
            OTHER_HOST.kid,
            nonce(101),
        ),
        ("other-host", "Another host has another proof.", _checked(KEY), cmid(5), HOST.kid, nonce(101)),
        (
            "other-product-key",
            "Another product key has another proof.",
            _checked("QH" + "2" * 22),
            HOST_ID,
            HOST.kid,
            nonce(101),
        ),
    ):
        said = f"quorate-host-key-proof:{host_id}:{thumbprint}:{request}".encode("ascii")
        proof = b64url(hmac.new(_verifier(key), said, "sha256").digest())
        given = {"key": key, "host_id": host_id, "thumbprint": thumbprint, "request_id": request}
        yield Vector(f"computations/key-proof-{name}", shows, "9", "key-proof", given, valid(key_proof=proof))


def _links() -> Iterator[Vector]:
    for name, shows, of_cmid, of_nonce in (
        ("usual", "The link of the lease that answers this nonce.", CMID, NONCE),
        ("other-nonce", "Another nonce has another link.", CMID, nonce(2)),
        ("other-cmid", "Another CMID has another link.", cmid(2), NONCE),
    ):
        given = {"cmid": of_cmid, "nonce": of_nonce}
        yield Vector(f"computations/link-{name}", shows, "7", "link", given, valid(link=link(of_cmid, of_nonce)))


def _windows() -> Iterator[Vector]:
    for name, shows, minutes, validity, width, before_end in (
        ("usual", "The last twentieth of the renewal interval.", 10_080, 180 * DAY, 30_240, 7 * DAY),
        ("a-minute", "Of a minute, three seconds.", 1, 180 * DAY, 3, 60),
        ("a-day", "A lease of a day is renewed at half of its life.", 10_080, DAY, 2160, DAY // 2),
        ("two-intervals", "One of exactly two intervals at its renewal interval.", 720, DAY, 2160, DAY // 2),
        ("odd", "Halves and twentieths are rounded down.", 10_080, 3601, 90, 1800),
    ):
        given = {"iat": NOW, "renewal_min": minutes, "validity_s": validity}
        window = valid(renew_from_s=NOW + before_end - width, renew_until_s=NOW + before_end)
        yield Vector(f"computations/renewal-{name}", shows, "7", "renewal-window", given, window)


def _waits() -> Iterator[Vector]:
    for name, shows, asked, before, least, wait in (
        ("usual", "What a host asks for is waited.", 600, 0, 7200, 600),
        ("a-second", "Nobody is made to ask each second: a minute at the least.", 1, 0, 7200, 60),
        ("none", "Nor at once.", 0, 0, 7200, 60),
        ("again", "The least wait doubles with each time in a row.", 1, 3, 7200, 480),
        ("for-ever", "Up to the policy's least interval, and no further.", 1, 1000, 7200, 7200),
        ("short-interval", "An interval of a minute leaves it at that.", 1, 5, 60, 60),
        ("a-week", "Nor does an unsigned word silence a client for more than a day.", 7 * DAY, 0, 7200, DAY),
    ):
        given = {"retry_after_s": asked, "told_to_wait": before, "interval_min_s": least}
        yield Vector(f"computations/wait-{name}", shows, "7.1", "retry-after", given, valid(wait_s=wait))


def _clocks() -> Iterator[Vector]:
    hour, four = 3600, 4 * 3600
    hourly = [NOW + each * hour for each in range(6)]
    far = NOW + 800 * DAY
    on = [far + each * hour for each in range(5)]
    week = [NOW - 20 * DAY + each * DAY for each in range(9)]
    for name, shows, shown, known, is_back, left in (
        ("goes-on", "What a clock lives through in small steps is known.", hourly, hourly[-1], False, None),
        ("a-glance", "One look at a time that is far ahead counts for nothing.", [NOW, far], NOW, False, None),
        ("comes-back", "It comes back, and nothing has happened.", [NOW, far, NOW + 60], NOW + 60, False, None),
        ("lived", "Four hours there count.", [NOW, *on], on[-1], False, None),
        ("lived-and-back", "After that, it has been turned back.", [NOW, *on, NOW], on[-1], True, 7 * DAY - four),
        ("tolerance", "Within the tolerance nothing is turned back.", [NOW, NOW - four], NOW, False, None),
        ("back", "Turned back: usable for a week, less the step.", [NOW, NOW - four - 1], NOW, True, 7 * DAY - four),
        ("back-for-a-week", "The week passes.", [NOW, *week], NOW, True, 0),
        ("after-the-lease", "A lease from later on proves its time.", [NOW - DAY], NOW, True, 7 * DAY - four),
    ):
        given = {"proven_s": NOW, "clock_tolerance_s": four, "shown_s": shown}
        told = valid(known_s=known, is_turned_back=is_back, usable_for_s=left)
        yield Vector(f"computations/clock-{name}", shows, "7.1", "clock", given, told)
