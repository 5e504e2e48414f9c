"""The vectors in our own implementation, and what is true of all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from quorate.client.clockmark import ClockMark
from quorate.core.armor import dearmored
from quorate.core.documents import HOST_CERTIFICATE, HOST_REQUEST, PRODUCT, DocumentKind, read, read_host_request
from quorate.core.enrolment import EnrolmentSecret, check_enrolment
from quorate.core.ids import ProductKey, b64url, key_proof, link_of, unb64url
from quorate.core.lease import LEASE, REFUSAL, Intervals, Lease, renewal_window
from quorate.core.lifecycle import told_wait_s
from quorate.core.messages import (
    ANSWER_BYTES_MAX,
    BODY_BYTES_MAX,
    HostDescription,
    ProbeResult,
    decode_answer,
    decode_problem,
    decode_request,
    decode_strict,
    encode,
)
from quorate.core.proof import commitment, question_key
from quorate.core.publication import decode_activation
from quorate.core.revocation import REVOCATIONS, accept_list, check_not_revoked, read_list
from quorate.core.succession import TRUST, TrustState, follow_chain, read_issued
from quorate.core.trust import Anchor, Question, accept_answer, check_stored_lease
from quorate.errors import BY_CODE, MalformedError, QuorateError, RequestTooLargeError
from scripts.vectors.__main__ import COMMAND, stale
from tests.support.source import ROOT
from tests.vectors.support import Vector, body_of, codes_of, vectors

KINDS: dict[str, DocumentKind[Any]] = {
    kind.typ: kind for kind in (PRODUCT, HOST_REQUEST, HOST_CERTIFICATE, LEASE, REFUSAL, REVOCATIONS, TRUST)
}
Given = dict[str, Any]
Outcome = dict[str, Any]


def plain(claims: msgspec.Struct) -> dict[str, Any]:
    """Claims as they stand in JSON."""
    members: dict[str, Any] = json.loads(encode(claims))
    return members


def anchor_of(given: Given) -> Anchor:
    return Anchor.load(given["product"], json.dumps(given["keys"]).encode())


def state_of(given: Given) -> TrustState:
    return TrustState.shipped(json.dumps(given["keys"]).encode())


def plain_state(state: TrustState) -> Outcome:
    return {
        "version": state.version,
        "kids": list(state.for_issuing().by_kid),
        "next_kids": list(state.for_trust().by_kid),
    }


def do_jwk_set(given: Given) -> Outcome:
    return plain_state(TrustState.shipped(given["text"].encode()))


def do_trust_chain(given: Given) -> Outcome:
    return plain_state(follow_chain(state_of(given), given["chain"]))


def do_revocation_list(given: Given) -> Outcome:
    return {"claims": plain(accept_list(given["held"], given["offered"], state_of(given)))}


def do_revoked(given: Given) -> Outcome:
    state = state_of(given)
    certificate = read_issued(HOST_CERTIFICATE, given["host_certificate"], state)
    check_not_revoked(certificate, given["at_s"], read_list(given["revocations"], state))
    return {}


def do_text(given: Given) -> Outcome:
    return {"token": dearmored(given["text"], KINDS[given["typ"]])}


def do_document(given: Given) -> Outcome:
    if given["typ"] == HOST_REQUEST.typ:
        return {"claims": plain(read_host_request(given["token"]))}
    keys = state_of(given).for_issuing()
    return {"claims": plain(read(KINDS[given["typ"]], given["token"], keys))}


def do_answer(given: Given) -> Outcome:
    body = body_of(given)
    if len(body) > ANSWER_BYTES_MAX:  # the client's transport reads no more than that
        raise MalformedError(what="the host's answer", reason="too large")
    said = accept_answer(decode_answer(body), Question(**given["question"]), anchor_of(given), given["now_s"])
    kind = LEASE if isinstance(said, Lease) else REFUSAL
    return {"typ": kind.typ, "claims": plain(said)}


def do_stored_lease(given: Given) -> Outcome:
    question = Question(**given["question"])
    return {"claims": plain(check_stored_lease(given["lease"], given["host_certificate"], question, anchor_of(given)))}


def do_request(given: Given) -> Outcome:
    body = body_of(given)
    if len(body) > BODY_BYTES_MAX:  # the host's listener reads no more than that
        raise RequestTooLargeError(body_bytes_max=BODY_BYTES_MAX)
    return {"claims": plain(decode_request(body))}


def do_product_key(given: Given) -> Outcome:
    key = ProductKey.parse(given["typed"])
    return {"key": key.text, "key_id": key.key_id, "verifier": b64url(key.verifier), "last_five": key.last_five}


def do_key_proof(given: Given) -> Outcome:
    verifier = ProductKey.parse(given["key"]).verifier
    return {"key_proof": key_proof(verifier, given["host_id"], given["thumbprint"], given["request_id"])}


def do_question_key(given: Given) -> Outcome:
    key = question_key(unb64url(given["secret"]), given["cmid"], given["nonce"])
    return {"key": b64url(key), "commit": b64url(commitment(key))}


def do_link(given: Given) -> Outcome:
    return {"link": link_of(given["cmid"], given["nonce"])}


def do_problem(given: Given) -> Outcome:
    return {"claims": plain(decode_problem(body_of(given)))}


def do_renewal_window(given: Given) -> Outcome:
    intervals = Intervals(renewal_min=given["renewal_min"])
    begin, end = renewal_window(given["iat"], intervals, validity_s=given["validity_s"])
    return {"renew_from_s": begin, "renew_until_s": end}


def do_activation(given: Given) -> Outcome:
    return {"claims": plain(decode_activation(body_of(given)))}


def do_probe_result(given: Given) -> Outcome:
    return {"claims": plain(decode_strict(msgspec.json.Decoder(ProbeResult), body_of(given), "the probe"))}


def do_host_description(given: Given) -> Outcome:
    return {"claims": plain(decode_strict(msgspec.json.Decoder(HostDescription), body_of(given), "the description"))}


def do_enrolment_secret(given: Given) -> Outcome:
    secret = EnrolmentSecret.parse(given["typed"])
    return {"secret": secret.text, "key": b64url(secret.key)}


def do_enrolment(given: Given) -> Outcome:
    keys = [EnrolmentSecret.parse(each).key for each in given["secrets"]]
    check_enrolment(decode_request(body_of(given)), keys)
    return {}


def do_retry_after(given: Given) -> Outcome:
    return {"wait_s": told_wait_s(given["retry_after_s"], given["told_to_wait"], given["interval_min_s"])}


def do_clock(given: Given) -> Outcome:
    mark, proven_s, tolerance_s = ClockMark(), given["proven_s"], given["clock_tolerance_s"]
    for now_s in given["shown_s"]:
        mark = mark.looked(now_s, proven_s, tolerance_s)
    known_s = max(proven_s, mark.confirmed_s)
    is_turned_back = now_s < known_s - tolerance_s
    left_s = mark.grace_left_s(tolerance_s) if is_turned_back else None
    return {"known_s": known_s, "is_turned_back": is_turned_back, "usable_for_s": left_s}


DO: dict[str, Callable[[Given], Outcome]] = {
    "jwk-set": do_jwk_set,
    "document": do_document,
    "trust-chain": do_trust_chain,
    "revocation-list": do_revocation_list,
    "revoked": do_revoked,
    "text": do_text,
    "answer": do_answer,
    "stored-lease": do_stored_lease,
    "request": do_request,
    "product-key": do_product_key,
    "key-proof": do_key_proof,
    "link": do_link,
    "question-key": do_question_key,
    "problem": do_problem,
    "renewal-window": do_renewal_window,
    "retry-after": do_retry_after,
    "clock": do_clock,
    "activation": do_activation,
    "enrolment-secret": do_enrolment_secret,
    "enrolment": do_enrolment,
    "probe-result": do_probe_result,
    "host-description": do_host_description,
}


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_our_implementation_agrees_with(vector: Vector) -> None:
    do = DO[vector["kind"]]
    if codes_of(vector):
        with pytest.raises(QuorateError) as refused:
            do(vector["input"])
        assert refused.value.code in codes_of(vector), vector["shows"]
    else:
        assert do(vector["input"]) | {"outcome": "valid"} == vector["expected"], vector["shows"]


def test_the_vectors_are_what_their_generator_makes() -> None:
    assert not stale(), f"spec/vectors is out of date; run: {COMMAND}"


def test_every_vector_names_a_section_that_exists_and_codes_that_we_have() -> None:
    headings = re.findall(r"^##+ (\d+(?:\.\d+)?)", (ROOT / "spec/protocol.md").read_text("utf-8"), re.MULTILINE)
    assert {vector["section"] for vector in vectors()} <= set(headings)
    assert {code for vector in vectors() for code in codes_of(vector)} <= BY_CODE.keys()


def test_every_kind_has_vectors_of_both_outcomes() -> None:
    outcomes = {(vector["kind"], vector["expected"]["outcome"]) for vector in vectors()}
    computed = {
        "key-proof",
        "link",
        "question-key",
        "renewal-window",
        "retry-after",
        "clock",
    }  # nothing to refuse in a computation
    assert outcomes == {(kind, "valid") for kind in DO} | {(kind, "invalid") for kind in DO.keys() - computed}


def test_the_guide_explains_every_kind_of_vector() -> None:
    guide = (ROOT / "spec/README.md").read_text("utf-8")
    assert not [kind for kind in DO if f"`{kind}`" not in guide]
