"""Long lists: the first page on a terminal and how to see the rest; everything, as it is read, anywhere else."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from quorate.cli.output import Output
from quorate.cli.progress import Progress, progress

__all__ = ["page_rows", "paged", "row_progress"]

Row = TypeVar("Row")
_AROUND = 4  # lines of a page that are not rows: the head, a note, the next prompt
_ROWS_MIN = 10


def page_rows() -> int | None:
    """Rows that a terminal shows at once; None where stdout is none."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().lines - _AROUND, _ROWS_MIN)


def paged(rows: Iterable[Row], rows_max: int | None, output: Output, rest: str) -> Iterator[Row]:
    """The first rows; then, where there are more, how to see them.

    Args:
        rows_max: None: all of them.
        rest: what to type, such as `quorate host clients --all`.
    """
    following = iter(rows)
    yield from islice(following, rows_max)
    if rows_max is not None and next(following, None) is not None:
        output.say(f"note: these are the first {rows_max}. {rest}")


@contextmanager
def row_progress(words: str, *, is_told: bool = True) -> Iterator[Progress]:
    """Told while rows go into a file; into a pipe or on a terminal the rows themselves are seen."""
    with progress(words, is_told=is_told and _is_file()) as told:
        yield told


def _is_file() -> bool:
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError):
        return False
