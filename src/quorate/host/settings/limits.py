"""The limits of a KMS host: how many connections, waiting requests and seconds it grants."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of a running host that nobody needs to set; tests make them small."""

    batch_max: int = 256  # answers of one transaction: from 64 on an fsync no longer shows (reference, section 4)
    waiting_max: int = 4096  # requests waiting for the disk: half a second of work; about 8 MiB
    connections_max: int = 8192  # open at once, idle ones included; more wait in the kernel's backlog
    backlog: int = 1024
    headers_s: float = 10.0  # for a whole request head, and for an idle connection
    body_s: float = 10.0
    taken_s: float = 60.0  # for a client to take an answer; the largest is a revocation list
    answer_s: float = 30.0  # after which a stalled disk is told to those who wait
    stop_s: float = 15.0
    retry_after_s: int = 30
    poll_s: float = 1.0  # how soon a changed setting or certificate is noticed
    disk_free_min: int = 16 * 1024 * 1024  # bytes; below, the host says it is not ready
