"""The chain and its audit, without a database: whatever is done to a log, something is found."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.checkpoint import EVENT_CHECKPOINT, CheckpointSigner, EventCheckpoint, read_checkpoint
from quorate.core.documents import HOST_REQUEST, read, sign
from quorate.core.eventaudit import Audit, Break, Finding, Row, beginning
from quorate.core.eventchain import EVENT_OVERHEAD, Link, begin, follow
from quorate.core.ids import b64url
from quorate.errors import BadSignatureError, MalformedError, UnknownPublisherError
from tests.support.documents import signing_key

LOG = bytes(range(16))
SIGNER = CheckpointSigner("5a3c2f6e-0d1b-4c8a-9e7f-112233445566", signing_key(1))
KEYS = SIGNER.key.verify_keys()


def rows(number: int) -> list[Row]:
    """A log of so many events, as a database has them."""
    written = [b'{"event_id":12291,"time_s":%d,"code":"X","hresult":0,"message":"no"}' % i for i in range(number)]
    links = follow(begin(LOG), written)
    return [
        Row(at, i, 12291, b"X", None, data, digest, upto_bytes)
        for i, ((at, digest, upto_bytes), data) in enumerate(zip(links, written, strict=True))
    ]


def checkpoint(row: Row, kept_from: int = 1) -> EventCheckpoint:
    link = Link(row.number, row.digest, row.upto_bytes)
    return read_checkpoint(SIGNER.sign(LOG, link, kept_from, 1_800_000_000), KEYS)


def walked(log: list[Row], *checkpoints: EventCheckpoint) -> Finding | None:
    by_number = {each.number: each for each in checkpoints}
    if not log:
        return Audit(begin(LOG), by_number).end()
    start, finding = beginning(LOG, log[0].number, by_number)
    audit = Audit(start, by_number)
    for row in log:
        finding = finding or audit.step(row)
    return finding or audit.end()


def test_the_rule_is_the_one_of_the_specification() -> None:
    start = hashlib.sha256(b"quorate event log 1\0" + LOG).digest()
    upto = len(b"{}") + 96
    expected = hashlib.sha256(start + struct.pack(">QQ", 1, upto) + b"{}").digest()
    assert begin(LOG).then(b"{}") == Link(1, expected, upto)
    assert EVENT_OVERHEAD == 96


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_many_at_once_are_chained_as_one_by_one(written: list[bytes]) -> None:
    one_by_one, head = [], begin(LOG)
    for data in written:
        head = head.then(data)
        one_by_one.append(head)
    assert follow(begin(LOG), written) == one_by_one


@given(st.integers(0, 30))
def test_a_log_as_it_was_written_is_whole(number: int) -> None:
    log = rows(number)
    assert walked(log) is None
    assert walked(log, *[checkpoint(row) for row in log[::3]]) is None


@given(st.integers(2, 30), st.data())
def test_whatever_is_done_to_a_log_is_found(number: int, data: st.DataObject) -> None:
    log = rows(number)
    vouched = checkpoint(log[-1])
    at = data.draw(st.integers(0, number - 1))
    field = data.draw(st.sampled_from(Row._fields[1:]))
    other = data.draw(st.integers(0, number - 1).filter(lambda i: i != at))
    strange: Any = data.draw(st.one_of(st.none(), st.integers(-1, 1), st.binary(max_size=40)))
    changed = log[at]._replace(**{field: strange})
    exchanged = list(log)
    exchanged[at], exchanged[other] = (
        log[other]._replace(number=log[at].number),
        log[at]._replace(number=log[other].number),
    )
    broken = {
        "edited": [*log[:at], changed, *log[at + 1 :]],
        "removed": [*log[:at], *log[at + 1 :]],
        "cut": log[:at],
        "exchanged": exchanged,
        "added": [*log, log[at]._replace(number=number + 1)],
    }
    for what, spoiled in broken.items():
        if spoiled != log:
            assert walked(spoiled, vouched) is not None, what


def test_the_first_event_that_is_wrong_is_named_and_not_a_later_one() -> None:
    log = rows(20)
    spoiled = [row._replace(data=row.data + b" ") if row.number in (7, 9, 15) else row for row in log]
    finding = walked(spoiled)
    assert finding is not None
    assert (finding.kind, finding.number) == (Break.EDITED, 7)


def test_the_events_of_another_log_do_not_fit_in() -> None:
    finding = None
    start, _ = beginning(bytes(16), 1, {})
    finding = Audit(start, {}).step(rows(1)[0])
    assert finding is not None
    assert finding.kind is Break.EDITED


def test_a_removed_beginning_needs_a_checkpoint_that_says_so() -> None:
    log = rows(20)
    mark = checkpoint(log[9], kept_from=11)
    assert walked(log[10:], mark) is None
    assert walked(log[10:], mark, checkpoint(log[-1], kept_from=11)) is None
    finding = walked(log[10:], checkpoint(log[9]))
    assert finding is not None
    assert (finding.kind, finding.number) == (Break.MISSING, 1)
    back_again = walked(log, mark)
    assert back_again is not None
    assert back_again.kind is Break.ADDED


# --- the document ----------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_read_as_nothing_else_and_nothing_else_as_one() -> None:
    token = SIGNER.sign(LOG, begin(LOG), 1, 1)
    with pytest.raises(MalformedError, match=r"this is a event-checkpoint\+jwt"):
        read(HOST_REQUEST, token, KEYS)
    with pytest.raises(UnknownPublisherError):
        read_checkpoint(token, signing_key(2).verify_keys())
    with pytest.raises(BadSignatureError):
        read_checkpoint(token[:-4] + "AAAA", KEYS)


def test_a_checkpoint_says_what_was_vouched_for() -> None:
    log = rows(3)
    made = checkpoint(log[-1])
    assert made.link == Link(3, log[-1].digest, log[-1].upto_bytes)
    assert (made.host_id, made.log, made.kept_from, made.issued_s) == (SIGNER.host_id, b64url(LOG), 1, 1_800_000_000)
    assert sign(EVENT_CHECKPOINT, made, SIGNER.key) == SIGNER.sign(LOG, made.link, 1, 1_800_000_000)


@pytest.mark.parametrize(
    "changes",
    [
        *({"number": -1}, {"number": 2**60}, {"digest": "short"}, {"digest": "A" * 42 + "B"}, {"log": ""}),
        *({"log": "A" * 21 + "B"}, {"kept_from": 0}, {"v": 2}, {"more": 1}),
    ],
)
def test_a_checkpoint_out_of_its_bounds_is_refused(changes: dict[str, Any]) -> None:
    claims = msgspec.to_builtins(checkpoint(rows(1)[0])) | changes
    key = SIGNER.key
    head = b64url(msgspec.json.encode({"alg": "Ed25519", "kid": key.kid, "typ": EVENT_CHECKPOINT.typ}))
    said = f"{head}.{b64url(msgspec.json.encode(claims))}"
    with pytest.raises(MalformedError):
        read_checkpoint(f"{said}.{b64url(key.sign_bytes(said.encode()))}", KEYS)
