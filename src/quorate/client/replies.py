"""What a KMS host's response says: that there is a body to be read, the fault that it reports, or that this is no host.

A fault report (problem details) is not signed, so only those codes pass that a host cannot sign.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from quorate.client.discovery.target import Target
from quorate.core.messages import ANSWER_BYTES_MAX, Answer, decode_answer, decode_problem
from quorate.errors import InternalFaultError, MalformedError, NotAQuorateHostError, QuorateError

__all__ = ["check_is_answer", "clean", "not_ours", "read_answer"]

RETRY_AFTER_S_MAX = 86_400  # an unsigned word must not silence a client for longer than a day
WORDS_MAX = 500


def read_answer(target: Target, status: int, headers: dict[str, str], body: bytes, now_s: int) -> Answer:
    """What a response says: the answer in it, or the fault that it reports. Raises as `Transport.activate`.

    Args:
        headers: by their lower-case names.
    """
    check_is_answer(target, status, headers, body, now_s)
    try:
        return decode_answer(body)
    except MalformedError as fault:
        raise not_ours(
            target, f"its answer is not that of a Quorate host ({clean(str(fault.values['reason']))})"
        ) from None


def check_is_answer(
    target: Target,
    status: int,
    headers: dict[str, str],
    body: bytes,
    now_s: int,
    bytes_max: int = ANSWER_BYTES_MAX,
) -> None:
    """Goes on when there is a body to be read; raises what else it is."""
    if len(body) > bytes_max:
        raise not_ours(target, f"its answer is longer than {bytes_max} bytes")
    if status == 200:
        return
    if 300 <= status < 400:
        raise not_ours(target, f"it redirects (HTTP {status}), which a KMS host never does")
    error = _reported(target, status, headers, body)
    retry_after_s = _retry_after_s(headers, now_s)
    if retry_after_s is not None:
        error.values["retry_after_s"] = retry_after_s
    raise error


def _reported(target: Target, status: int, headers: dict[str, str], body: bytes) -> QuorateError:
    """The fault a host reports, or the finding that this is no host."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/problem+json":
        return not_ours(target, f"HTTP status {status} without a problem report")
    try:
        problem = decode_problem(body)
    except MalformedError:
        return not_ours(target, f"HTTP status {status} with a problem report that is not Quorate's")
    error = problem.error()
    # Each fault that a host reports has its own HTTP status. Those without one are a client's to find, or to be signed.
    is_a_hosts = error is not None and (
        error.http_status != QuorateError.http_status or isinstance(error, InternalFaultError)
    )
    if error is None or not is_a_hosts or error.http_status != status:
        return not_ours(target, f"HTTP status {status} with the code {clean(problem.code)[:40]}")
    if problem.retry_after_s is not None:
        error.values["retry_after_s"] = min(max(problem.retry_after_s, 0), RETRY_AFTER_S_MAX)
    return error


def _retry_after_s(headers: dict[str, str], now_s: int) -> int | None:
    """`Retry-After` (RFC 9110, section 10.2.3): seconds or a date; bounded; None when there is none to be read."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        seconds = int(value[:12])
    else:
        try:
            seconds = int(parsedate_to_datetime(value).timestamp()) - now_s
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0), RETRY_AFTER_S_MAX)


def clean(text: str) -> str:
    """Words of a stranger, fit for a terminal: no control characters, at most `WORDS_MAX`."""
    return "".join(c if c.isprintable() else " " for c in text[:WORDS_MAX])


def not_ours(target: Target, reason: str) -> NotAQuorateHostError:
    """The finding that somebody else answered."""
    return NotAQuorateHostError(host=str(target), reason=reason)
