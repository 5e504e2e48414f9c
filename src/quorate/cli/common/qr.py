"""Documents as QR codes: for a phone's camera, where neither file nor mail goes from one place to the other.

The code holds the token alone; whoever scans it gets the text that `confirm` and `activate` take.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import segno
import typer

from quorate.errors import FileAccessError, OutputExistsError, QrTooLargeError

__all__ = ["QrFileOption", "QrFlag", "show_qr"]

CHARACTERS_MAX: Final = 2953  # bytes that version 40 holds at level L (ISO/IEC 18004)
_FORMATS: Final = (".png", ".svg")
_SCALE: Final = 4  # pixels a module

QrFlag = Annotated[bool, typer.Option("--qr", help="Print a QR code of it.")]


def _checked(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in _FORMATS:
        raise typer.BadParameter(f"{path}: the name ends in .png or .svg")
    return path


QrFileOption = Annotated[
    Path | None,
    typer.Option(
        "--qr-file", help="Write a QR code of it, PNG or SVG by its name.", callback=_checked, show_default=False
    ),
]


def show_qr(token: str, what: str, file: Path | None, *, on_terminal: bool) -> None:
    """Print the code, and write it to `file`, which must be new.

    Raises:
        QrTooLargeError, OutputExistsError, FileAccessError.
    """
    code = _made(token, what)
    if on_terminal:
        code.terminal(sys.stdout, compact=True)
    if file is None:
        return
    try:
        with file.open("xb") as out:
            code.save(out, kind=file.suffix.lower()[1:], scale=_SCALE)
    except FileExistsError:
        raise OutputExistsError(path=file) from None
    except OSError as fault:
        raise FileAccessError(path=file, reason=(fault.strerror or str(fault)).lower()) from None


def _made(token: str, what: str) -> Any:
    if len(token) > CHARACTERS_MAX:
        raise QrTooLargeError(what=what, size=len(token), size_max=CHARACTERS_MAX)
    return segno.make_qr(token, error="l", boost_error=False)
