"""A protocol hello: who answers at an SRV target? `GET /v1/host`, as every host answers it; it proves nothing."""

from __future__ import annotations

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from quorate.core.messages import ANSWER_BYTES_MAX, HostDescription, decode_strict
from quorate.errors import HostUnreachableError, MalformedError, NotAQuorateHostError

__all__ = ["say_hello"]

_decoder = msgspec.json.Decoder(HostDescription)


def say_hello(address: str, port: int, *, timeout_s: float = 5.0) -> HostDescription:
    """What the host at an IP address says about itself. No name is resolved, no proxy asked, no redirect followed.

    Raises:
        HostUnreachableError: nothing answers within `timeout_s`.
        NotAQuorateHostError: something else answers.
    """
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    pool = urllib3.HTTPConnectionPool(
        address, port, timeout=urllib3.Timeout(total=timeout_s), retries=False, maxsize=1, block=True
    )
    try:
        answer = pool.request("GET", "/v1/host", preload_content=False, redirect=False)
        try:
            body = answer.read(ANSWER_BYTES_MAX + 1)
        finally:
            answer.close()
    except (urllib3.exceptions.ProtocolError, urllib3.exceptions.DecodeError) as fault:
        raise NotAQuorateHostError(host=where, reason=_plain(fault)) from None
    except (HTTPError, OSError) as fault:
        raise HostUnreachableError(tried=f"{where} ({_plain(fault)})", port=port) from None
    finally:
        pool.close()
    if answer.status != 200:
        raise NotAQuorateHostError(host=where, reason=f"HTTP status {answer.status} for GET /v1/host")
    try:
        return decode_strict(_decoder, body, "the host's description")
    except MalformedError as fault:
        raise NotAQuorateHostError(host=where, reason=str(fault.values["reason"])) from None


def _plain(fault: Exception) -> str:
    cause = fault.__cause__ or fault.__context__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return "silent" if isinstance(fault, urllib3.exceptions.TimeoutError) else type(fault).__name__
