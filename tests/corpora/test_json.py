"""JSONTestSuite through every decoder: nothing of it is a message; where any JSON may stand, exactly JSON may."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from quorate.core.messages import decode_problem, decode_request
from quorate.errors import MalformedError, MalformedRequestError, UnsupportedVersionError
from tests.corpora.reading import json_texts
from tests.fuzz.decoders import DECODERS, takes

TEXTS = json_texts()
GOOD = {name: text for name, text in TEXTS.items() if name.startswith("y_")}
BAD = {name: text for name, text in TEXTS.items() if name.startswith("n_")}
TWICE = {"y_object_duplicated_key", "y_object_duplicated_key_and_value"}  # spec section 2: malformed here
# A host's name, lines of tokens, a token that nobody has verified; and a file that is passed over where it is damaged.
NOT_JSON = {"address of a host", "publisher.trust", "header, unverified", "news file"}
PROBLEM = b'{"type":"t","title":"t","status":429,"detail":"d","code":"X","hint":"h","more":%s}'


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable()
    yield
    logging.disable(before)


def test_the_suite_is_whole() -> None:
    assert (len(TEXTS), len(GOOD), len(BAD)) == (318, 95, 188)
    assert max(map(len, TEXTS.values())) >= 100_000


@pytest.mark.parametrize("name", DECODERS)
def test_no_text_of_the_suite_is_a_message_and_only_our_errors_escape(name: str) -> None:
    taken = [each for each, text in TEXTS.items() if takes(DECODERS[name], text)]
    assert taken == [] or name in NOT_JSON, taken


@pytest.mark.parametrize("name", sorted(GOOD))
def test_json_may_stand_where_a_later_version_writes_what_it_likes(name: str) -> None:
    # Spec section 4, "another version", and section 8, further members of a problem.
    if name in TWICE:
        with pytest.raises(MalformedRequestError):
            decode_request(b'{"v":2,"more":%s}' % GOOD[name])
        with pytest.raises(MalformedError):
            decode_problem(PROBLEM % GOOD[name])
        return
    with pytest.raises(UnsupportedVersionError):
        decode_request(b'{"v":2,"more":%s}' % GOOD[name])
    assert decode_problem(PROBLEM % GOOD[name]).code == "X"


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_is_no_json_is_malformed_there_too(name: str) -> None:
    with pytest.raises(MalformedRequestError):
        decode_request(b'{"v":2,"more":%s}' % BAD[name])
    with pytest.raises(MalformedError):
        decode_problem(PROBLEM % BAD[name])


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - GOOD.keys() - BAD.keys()))
def test_what_readers_differ_on_is_refused_where_the_protocol_says_so(name: str) -> None:
    takes(decode_request, b'{"v":2,"more":%s}' % TEXTS[name])
    takes(decode_problem, PROBLEM % TEXTS[name])
    if name.startswith(("i_string_", "i_object_key_lone", "i_structure_UTF-8_BOM")):  # spec section 2: UTF-8, no half
        for decode, body in ((decode_request, b'{"v":2,"more":%s}'), (decode_problem, PROBLEM)):  # surrogate, no mark
            with pytest.raises(MalformedError):
                decode(body % TEXTS[name])
