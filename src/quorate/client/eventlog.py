"""The client's event log: one JSON object per line, events 12288, 12289 and 12320 (`core.events`), bounded on disk.

Writing it is best effort: a full disk must not stop an activation.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from msgspec import UNSET

from quorate.client.discovery.target import Target
from quorate.core.events import AnswerReceived, ClientEvent, ClockAccepted, RequestSent
from quorate.core.lease import Lease, Refusal
from quorate.core.messages import ActivationRequest, encode
from quorate.core.trust import Anchor, soft_until
from quorate.errors import QuorateError
from quorate.files import open_to_append
from quorate.opening import place_of

__all__ = ["ClientEventLog"]

FILE_BYTES_MAX = 256 * 1024  # about 700 events, two months of refusals; one older file of that size is kept


class ClientEventLog:
    """Appends to `path`; when it is full it becomes `path` + `.1`, and the former `.1` goes."""

    def __init__(self, path: Path, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = path
        self._older = path.with_name(path.name + ".1")
        self._bytes_max = bytes_max

    def sent(
        self, request: ActivationRequest, target: Target | None, anchor: Anchor, error: QuorateError | None
    ) -> None:
        """12288: a request was sent to that host; or why not, and None where there was no host."""
        edition = anchor.edition(request.edition)
        self._write(
            RequestSent(
                time_s=request.time_s,
                code=None if error is None else error.code,
                hresult=0 if error is None else error.hresult or 0,
                host="" if target is None else str(target),
                cmid=request.cmid,
                vm=request.vm,
                status=request.status,
                expires_in_min=request.expires_in_min,
                edition=request.edition,
                threshold=anchor.product.policy.thresholds.of(edition.machine_class).minimum,
                message="" if error is None else error.message,
            )
        )

    def received(
        self,
        request: ActivationRequest,
        target: Target,
        said: Lease | Refusal | None,
        anchor: Anchor,
        error: QuorateError | None,
    ) -> None:
        """12289: that host's answer to the request; `said` is None for one that proved nothing."""
        until_s = soft_until(said, anchor) if isinstance(said, Lease) else None
        self._write(
            AnswerReceived(
                time_s=request.time_s,
                code=None if error is None else error.code,
                hresult=0 if error is None else error.hresult or 0,
                host=str(target),
                host_id="" if said is None else said.host_id,
                cmid=request.cmid,
                activated=isinstance(said, Lease),
                count=0 if said is None else said.count,
                threshold=0 if said is None else said.threshold,
                activation_interval_min=0 if said is None else said.intervals.activation_min,
                renewal_interval_min=0 if said is None else said.intervals.renewal_min,
                message="" if error is None else error.message,
                soft_until_s=UNSET if until_s is None else until_s,
            )
        )

    def clock_accepted(self, now_s: int, known_s: int, cmid: str, rearms_left: int) -> None:
        """12320: the administrator said that it is `now_s`, not `known_s` or later."""
        self._write(ClockAccepted(time_s=now_s, cmid=cmid, known_s=known_s, rearms_left=rearms_left))

    def _write(self, event: ClientEvent) -> None:
        """One event, in one write, so that lines of two processes do not mix."""
        line = encode(event) + b"\n"
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileNotFoundError), place_of(self._path) as place:
                if place.look().st_size + len(line) > self._bytes_max:
                    place.rename(place.sibling(self._older.name))
            handle = open_to_append(self._path)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)
