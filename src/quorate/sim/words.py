"""What codes and states are called in a story, by people who have never seen one."""

from __future__ import annotations

from quorate.core.messages import LicenseStatus

__all__ = ["becomes", "meaning", "plain"]

_MEANINGS = {
    "COUNT_INSUFFICIENT": "too few machines",
    "CLOCK_SKEW": "the clocks differ",
    "CMID_SUPERSEDED": "a copy, to take an identity of its own",
    "PRODUCT_NOT_COVERED": "not a product of this host",
    "HOST_UNREACHABLE": "no host reached",
    "DNS_SERVER_FAILURE": "DNS does not answer",
    "DNS_NAME_DOES_NOT_EXIST": "DNS knows no host",
    "STORE_UNAVAILABLE": "the host cannot write",
    "HOST_BUSY": "the host is busy",
    "BAD_SIGNATURE": "a forged answer",
    "UNKNOWN_PUBLISHER": "an answer of another publisher",
    "ANSWER_MISMATCH": "an answer to another question",
    "NOT_A_QUORATE_HOST": "something else answered",
}
_BECOMES = {
    LicenseStatus.UNLICENSED: ("is not set up any more", "are not set up any more"),
    LicenseStatus.INITIAL_GRACE: ("begins its grace period", "begin their grace period"),
    LicenseStatus.LICENSED: ("becomes licensed", "become licensed"),
    LicenseStatus.ADDITIONAL_GRACE: ("falls back into a grace period", "fall back into a grace period"),
    LicenseStatus.NOTIFICATION: ("begins to remind its user", "begin to remind their users"),
}


def plain(code: str) -> str:
    """`too few machines`, where there is little room; the code where there are no better words."""
    return _MEANINGS.get(code, code)


def meaning(code: str) -> str:
    """`too few machines (COUNT_INSUFFICIENT)`; the code alone where there are no better words."""
    words = _MEANINGS.get(code)
    return code if words is None else f"{words} ({code})"


def becomes(status: LicenseStatus, machines: list[str]) -> str:
    """`office-007 becomes licensed`, or `12 machines become licensed`."""
    one, many = _BECOMES[status]
    return f"{machines[0]} {one}" if len(machines) == 1 else f"{len(machines)} machines {many}"
