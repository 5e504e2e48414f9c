"""What a simulation leaves behind: a look at the world every hour, each change with its moment and reason, one hash.

The hash is over everything that happened, in its order. The same scenario and seed give the same hash, on any machine.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

from quorate.core.messages import LicenseStatus

__all__ = ["Change", "Milestone", "Recording", "Sample"]

CHANGES_MAX = 20_000
STATUSES = tuple(LicenseStatus)


@dataclass(frozen=True, slots=True)
class Change:
    """A machine's license status changed. `reason`: the code of the error that stood behind it, or what did it."""

    at_s: int
    machine: str
    before: LicenseStatus
    after: LicenseStatus
    reason: str


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something worth a line in the story."""

    at_s: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The world at one moment; requests and refusals since the sample before.

    `statuses` has one number for each of `STATUSES`; `counts` by database: machines that count toward the client
    threshold, and toward the server threshold.
    """

    at_s: int
    machines: int
    running: int
    statuses: tuple[int, ...]
    counts: dict[str, tuple[int, int]]
    requests: int
    leases: int
    refusals: dict[str, int]
    unanswered: dict[str, int]


@dataclass
class Recording:
    """Everything a report is made from."""

    trace: TextIO | None = None
    samples: list[Sample] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    changes_left_out: int = 0
    milestones: list[Milestone] = field(default_factory=list)
    statuses: dict[LicenseStatus, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    client_events: Counter[str] = field(default_factory=Counter)
    client_errors: Counter[str] = field(default_factory=Counter)
    host_errors: Counter[str] = field(default_factory=Counter)
    attempts: int = 0

    def __post_init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._since_answers: Counter[str] = Counter()
        self._since_faults: Counter[str] = Counter()

    @property
    def trace_hash(self) -> str:
        """The hash of all that has happened so far."""
        return self._hash.hexdigest()

    def note(self, at_s: int, what: str, who: str | int, detail: object = "") -> None:
        """One line of the trace."""
        line = f"{at_s} {what} {who} {detail}\n"
        self._hash.update(line.encode())
        if self.trace is not None:
            self.trace.write(line)

    def answered(self, at_s: int, machine: str, code: str, count: int) -> None:
        """A host has answered; `code` is `ACTIVATED` for a lease."""
        self.answers[code] += 1
        self._since_answers[code] += 1
        self.note(at_s, code, machine, count)

    def unanswered(self, at_s: int, machine: str, code: str) -> None:
        """An attempt found nobody to believe."""
        self.faults[code] += 1
        self._since_faults[code] += 1
        self.note(at_s, code, machine)

    def changed(self, at_s: int, machine: str, before: LicenseStatus, after: LicenseStatus, reason: str) -> None:
        """A machine's status is another one now."""
        self.statuses[before] -= 1
        self.statuses[after] += 1
        self.note(at_s, after.value, machine, reason)
        if len(self.changes) < CHANGES_MAX:
            self.changes.append(Change(at_s, machine, before, after, reason))
        else:
            self.changes_left_out += 1

    def milestone(self, at_s: int, kind: str, text: str) -> None:
        """Something worth a line in the story."""
        self.milestones.append(Milestone(at_s, kind, text))
        self.note(at_s, kind, text)

    def sample(self, at_s: int, machines: int, running: int, counts: dict[str, tuple[int, int]]) -> None:
        """A look at the world."""
        answers, faults = self._since_answers, self._since_faults
        self._since_answers, self._since_faults = Counter(), Counter()
        leases = answers.pop("ACTIVATED", 0)
        statuses = tuple(self.statuses[status] for status in STATUSES)
        self.samples.append(
            Sample(
                at_s,
                machines,
                running,
                statuses,
                counts,
                leases + sum(answers.values()),
                leases,
                dict(sorted(answers.items())),
                dict(sorted(faults.items())),
            )
        )
        self.note(at_s, "look", machines, statuses)
