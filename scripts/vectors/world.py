"""A publisher, its product, one activated host, and what the host says: good documents, to be bent one at a time."""

from __future__ import annotations

import copy
import hashlib
from typing import Any, Final

from scripts.vectors.making import HOST, OTHER_PUBLISHER, PUBLISHER, Claims, Key, b64url, compact, keyset, token

__all__ = [
    "CMID",
    "DAY",
    "EDITION_OF",
    "HOST_ID",
    "KINDS",
    "NONCE",
    "NOW",
    "TOLERANCE",
    "VALIDITY",
    "answer_input",
    "body",
    "certificate",
    "certificate_token",
    "changed",
    "cmid",
    "entry",
    "host_request",
    "jwk_of",
    "lease",
    "lease_token",
    "link",
    "nonce",
    "policy",
    "product",
    "product_token",
    "question",
    "refusal",
    "refusal_token",
    "revocations",
    "trust",
]

NOW: Final = 1_800_000_000  # 2027-01-15 08:00:00 UTC: any fixed moment
HOUR: Final = 3600
DAY: Final = 86_400
TOLERANCE: Final = 4 * HOUR
VALIDITY: Final = 180 * DAY
RENEWAL: Final = 7 * DAY

HOST_ID: Final = "0bf7a0c2-6f0e-4c5d-9d3f-1c2b3a495867"
EDITION_OF: Final = {"client": "acme-cad-pro", "server": "acme-cad-server", "ephemeral": "acme-cad-ci"}
MINIMUM_OF: Final = {"client": 25, "server": 5, "ephemeral": 25}
KINDS: Final = (
    "product+jwt",
    "host-request+jwt",
    "host-certificate+jwt",
    "lease+jwt",
    "refusal+jwt",
    "revocations+jwt",
    "trust+jwt",
)


def cmid(number: int) -> str:
    """CMID `number`."""
    return f"00000000-0000-4000-8000-{number:012x}"


def nonce(number: int) -> str:
    """Nonce `number`."""
    return b64url(hashlib.sha256(b"nonce %d" % number).digest()[:16])


def link(of_cmid: str, of_nonce: str) -> str:
    """Section 7."""
    return b64url(hashlib.sha256(f"quorate-link:{of_cmid}:{of_nonce}".encode("ascii")).digest()[:16])


CMID: Final = cmid(1)
NONCE: Final = nonce(1)


def changed(claims: Claims, **changes: Any) -> Claims:
    """A copy with these members set; `...` takes a member away."""
    members = copy.deepcopy(claims) | changes
    return {name: value for name, value in members.items() if value is not ...}


def policy(**changes: Any) -> Claims:
    """The policy of Windows 7."""
    claims = {
        "profile": "windows-7",
        "thresholds": {
            "server": {"minimum": 5, "counts": ["server"]},
            "client": {"minimum": 25, "counts": ["server", "client"]},
            "ephemeral": {"minimum": 25, "counts": ["server", "client"]},
        },
        "activation_validity_s": VALIDITY,
        "ephemeral_validity_s": DAY,
        "count_window_s": 30 * DAY,
        "initial_grace_s": 30 * DAY,
        "additional_grace_s": 30 * DAY,
        "clock_tolerance_s": TOLERANCE,
        "rearm_limit": 3,
        "interval_min_s": 900,
        "interval_max_s": 30 * DAY,
    }
    return changed(claims, **changes)


def product(**changes: Any) -> Claims:
    """The product "acme-cad" of group "acme"."""
    claims = {
        "v": 1,
        "iss": "Acme Software",
        "iat": NOW - 90 * DAY,
        "sub": "acme-cad",
        "name": "Acme CAD",
        "group": "acme",
        "covers": ["acme-viewer"],
        "service": "_quorate._tcp",
        "editions": [
            {"id": EDITION_OF[each], "name": f"Acme CAD {each.capitalize()}", "class": each}
            for each in ("client", "server", "ephemeral")
        ],
        "policy": policy(),
    }
    return changed(claims, **changes)


def product_token(**changes: Any) -> str:
    return token("product+jwt", product(**changes), PUBLISHER)


def certificate(**changes: Any) -> Claims:
    """The host's certificate, in force."""
    claims = {
        "v": 1,
        "iss": "Acme Software",
        "iat": NOW - DAY,
        "exp": NOW + 729 * DAY,
        "sub": HOST_ID,
        "jti": nonce(100),
        "request_id": nonce(101),
        "customer": "Contoso",
        "groups": ["acme"],
        "key_id": "SGFuZG1hZGUga2V5",
        "cnf": {"jwk": HOST.jwk},
    }
    return changed(claims, **changes)


def certificate_token(key: Key = PUBLISHER, /, **changes: Any) -> str:
    return token("host-certificate+jwt", certificate(**changes), key)


def host_request(**changes: Any) -> Claims:
    """What the host sent to the publisher; the key proof is that of computations/key-proof.json."""
    claims = {
        "v": 1,
        "iat": NOW - 2 * DAY,
        "sub": HOST_ID,
        "jti": nonce(101),
        "machine": "kms.contoso.example",
        "jwk": HOST.jwk,
        "key_id": "SGFuZG1hZGUga2V5",
        "key_proof": b64url(hashlib.sha256(b"a proof").digest()),
        "last_five": "23456",
    }
    return changed(claims, **changes)


def lease(machine_class: str = "client", /, at: int = NOW, **changes: Any) -> Claims:
    """The host's yes to CMID 1, nonce 1."""
    validity = DAY if machine_class == "ephemeral" else VALIDITY
    interval = min(RENEWAL, validity // 2)
    claims = {
        "v": 1,
        "iss": HOST_ID,
        "iat": at,
        "exp": at + validity,
        "sub": CMID,
        "edition": EDITION_OF[machine_class],
        "nonce": NONCE,
        "link": link(CMID, NONCE),
        "count": MINIMUM_OF[machine_class],
        "threshold": MINIMUM_OF[machine_class],
        "intervals": {"activation_min": 120, "renewal_min": RENEWAL // 60},
        "renew_from_s": at + interval - interval // 20,
        "renew_until_s": at + interval,
    }
    return changed(claims, **changes)


def lease_token(machine_class: str = "client", /, at: int = NOW, **changes: Any) -> str:
    return token("lease+jwt", lease(machine_class, at, **changes), HOST)


def refusal(code: str = "COUNT_INSUFFICIENT", /, **changes: Any) -> Claims:
    """The host's no to CMID 1, nonce 1."""
    counted = code == "COUNT_INSUFFICIENT"
    claims = {
        "v": 1,
        "iss": HOST_ID,
        "iat": NOW,
        "sub": CMID,
        "edition": EDITION_OF["client"],
        "nonce": NONCE,
        "code": code,
        "count": 24 if counted else 0,
        "threshold": 25 if counted else 0,
        "intervals": {"activation_min": 120, "renewal_min": RENEWAL // 60},
        "client_time_s": NOW,
    }
    return changed(claims, **changes)


def refusal_token(code: str = "COUNT_INSUFFICIENT", /, **changes: Any) -> str:
    return token("refusal+jwt", refusal(code, **changes), HOST)


def question(**changes: Any) -> Claims:
    """What the client asked, as far as the answer must match it."""
    return changed({"cmid": CMID, "edition": EDITION_OF["client"], "nonce": NONCE}, **changes)


def body(answer: str, host_certificate: str | None = None, /, **changes: Any) -> str:
    """The body of a host's answer."""
    claims = {"answer": answer, "host_certificate": host_certificate or certificate_token(), "revocations": 0}
    return compact(changed(claims, **changes)).decode("utf-8")


def answer_input(answer_body: str | bytes, **changes: Any) -> Claims:
    """All that a client goes by when an answer comes."""
    said = {"body": answer_body} if isinstance(answer_body, str) else {"body_base64url": b64url(answer_body)}
    claims = {"keys": keyset(PUBLISHER), "product": product_token(), "question": question(), "now_s": NOW}
    return changed(claims | said, **changes)


def jwk_of(key: Key, role: str) -> Claims:
    """A key of the publisher's with a role."""
    return key.jwk | {"role": role}


def trust(**changes: Any) -> Claims:
    """The publisher's keys from version 2 on: its second one."""
    claims = {"v": 1, "iss": "Acme Software", "iat": NOW - DAY, "version": 2, "keys": [OTHER_PUBLISHER.jwk]}
    return changed(claims, **changes)


def entry(**changes: Any) -> Claims:
    """What a revocation list says of the host."""
    return changed({"kind": "host", "id": HOST_ID, "since_s": NOW - HOUR, "reason": "contract ended"}, **changes)


def revocations(**changes: Any) -> Claims:
    """A list with the host on it."""
    claims = {"v": 1, "iss": "Acme Software", "iat": NOW - HOUR, "number": 1, "entries": [entry()]}
    return changed(claims, **changes)
