"""What a KMS host says on port 1688: five routes, and a clear problem for everything else.

The seam is narrow on purpose (`Application` in `host/public/connection.py`): a request's head, then the whole of it, in; a
response out. Faults are RFC 9457 problems. Nothing a client sends can end more than its own connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from quorate.core.messages import BODY_BYTES_MAX, Problem, encode
from quorate.errors import (
    InternalFaultError,
    MethodNotAllowedError,
    NotFoundError,
    QuorateError,
    RequestTooLargeError,
)
from quorate.host.activation.admission import Admission
from quorate.host.activation.service import ActivationService
from quorate.host.activation.writer import Outcome
from quorate.host.public.response import Response

__all__ = ["FaultObserver", "PublicApi"]

_Told = Callable[[Response], None]

_JSON = (("content-type", "application/json"),)
_PROBLEM = ("content-type", "application/problem+json")
_METHODS = {
    "/v1/activate": "POST",
    "/v1/probe": "POST",
    "/v1/host": "GET",
    "/v1/trust": "GET",
    "/v1/revocations": "GET",
}


class FaultObserver(Protocol):
    """Who wants to know which faults were told (metrics)."""

    def fault_told(self, code: str) -> None:
        """One problem with this code was sent."""
        ...


class PublicApi:
    """The routes of port 1688. All methods run on the loop's thread, and none of them raises."""

    def __init__(self, service: ActivationService, observer: FaultObserver, admission: Admission) -> None:
        self._admission = admission
        self._service = service
        self._observer = observer
        self._probes: set[asyncio.Task[None]] = set()  # bounded by the service
        self._log = structlog.get_logger("quorate.host.public")

    def at_head(self, peer: str, method: str, path: str, length: int | None) -> Response | None:
        """The refusal of a request before its body is read: who may not ask, what is nowhere, what is too large."""
        try:
            self._admission.at_the_door(peer)
            allowed = _METHODS.get(path)
            if allowed is None:
                raise NotFoundError(path=_shown(path))
            if method != allowed:
                raise MethodNotAllowedError(path=path, allowed=allowed)
            if length is not None and length > BODY_BYTES_MAX:
                raise RequestTooLargeError(body_bytes_max=BODY_BYTES_MAX)
        except QuorateError as fault:
            return self.refuse(fault)
        except Exception:  # noqa: BLE001  (the client is told, the log has the rest, the host goes on)
            return self._failed(path)
        return None

    def answer(self, method: str, path: str, body: bytes, peer: str, told: _Told) -> None:
        """Answer one request that `at_head` let through; `told` is called once."""
        try:
            match path:
                case "/v1/activate":
                    self._service.activate(body, peer, lambda outcome: told(self._response(outcome)))
                    return
                case "/v1/probe":
                    probe = asyncio.get_running_loop().create_task(self._probe(body, told))
                    self._probes.add(probe)
                    probe.add_done_callback(self._probes.discard)
                    return
                case "/v1/host":
                    said = self._service.describe()
                case "/v1/trust":
                    said = self._service.trust()
                case _:
                    said = self._service.revocations()
            response = Response(200, _JSON, said)
        except QuorateError as fault:
            response = self.refuse(fault)
        except Exception:  # noqa: BLE001  (as above)
            response = self._failed(path)
        told(response)

    def refuse(self, fault: QuorateError) -> Response:
        """The problem that carries `fault`."""
        self._observer.fault_told(fault.code)
        problem = Problem.of(fault)
        headers = [_PROBLEM]
        if problem.retry_after_s is not None:
            headers.append(("retry-after", str(problem.retry_after_s)))
        if isinstance(fault, MethodNotAllowedError):
            headers.append(("allow", str(fault.values["allowed"])))
        return Response(fault.http_status, tuple(headers), encode(problem))

    async def _probe(self, body: bytes, told: _Told) -> None:
        try:
            response = Response(200, _JSON, await self._service.probe(body))
        except QuorateError as fault:
            response = self.refuse(fault)
        except Exception:  # noqa: BLE001  (as above)
            response = self._failed("/v1/probe")
        told(response)

    def _response(self, outcome: Outcome) -> Response:
        return Response(200, _JSON, outcome) if isinstance(outcome, bytes) else self.refuse(outcome)

    def _failed(self, path: str) -> Response:
        self._log.exception("request_failed", path=_shown(path))
        return self.refuse(InternalFaultError())


def _shown(path: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in path)[:100]
