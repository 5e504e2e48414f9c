"""Everything that can go wrong: a stable code, the values that matter, and the next step.

An error is raised with its values by name, `CountInsufficientError(count=7, threshold=25, window_days=30)`, and
formats its own message and hint from them. `code` is what scripts hold on to; `hresult` is the number that Microsoft's
tools show for the same cause, where there is one; `http_status` is what a host answers with when it cannot sign the
refusal. The table in `docs/reference/errors.md` is generated from these classes.

Two families from the reader's view: `RefusedError` is a host's considered "no" (exit code 3), everything else is a
fault to be mended (exit code 1). One tree, a file for each place where its errors are met; all are imported from here.
"""

from __future__ import annotations

from quorate.errors.access import *
from quorate.errors.administration import *
from quorate.errors.base import *
from quorate.errors.base import QuorateError
from quorate.errors.eventlog import *
from quorate.errors.host import *
from quorate.errors.listening import *
from quorate.errors.machine import *
from quorate.errors.publication import *
from quorate.errors.trust import *
from quorate.errors.way import *


def _tree(root: type[QuorateError]) -> list[type[QuorateError]]:
    return [root, *(below for child in root.__subclasses__() for below in _tree(child))]


BY_CODE: dict[str, type[QuorateError]] = {error.code: error for error in reversed(_tree(QuorateError))}
"""Every error by its code, to name what another machine told us."""

__all__ = sorted({error.__name__ for error in _tree(QuorateError)} | {"BY_CODE"})
