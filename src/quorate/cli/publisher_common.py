"""What the publisher's commands share: how they open it, and how they show numbers and days."""

from __future__ import annotations

import getpass
import os
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from quorate.clock import SystemClock, SystemEntropy
from quorate.core.policy import DAY_S
from quorate.publisher.config import passphrase, state_dir
from quorate.publisher.issue import Publisher
from quorate.publisher.vault import key_path, require_present

__all__ = [
    "NewRootPassphraseFile",
    "PassphraseFile",
    "RootPassphraseFile",
    "ask_passphrase",
    "day",
    "end_of",
    "home_of",
    "last_day",
    "minute",
    "moment",
    "open_publisher",
]

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="QUORATE_PASSPHRASE_FILE",
        help="File whose first line opens the signing key. Without it: QUORATE_PASSPHRASE, or you are asked.",
        show_default=False,
    ),
]
RootPassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--root-passphrase-file",
        envvar="QUORATE_ROOT_PASSPHRASE_FILE",
        help="File whose first line opens the root key. Without it: QUORATE_ROOT_PASSPHRASE, or the same passphrase.",
        show_default=False,
    ),
]
NewRootPassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--new-root-passphrase-file",
        envvar="QUORATE_NEW_ROOT_PASSPHRASE_FILE",
        help="File whose first line opens the new root key. Without it: QUORATE_NEW_ROOT_PASSPHRASE, or what opens the "
        "old one.",
        show_default=False,
    ),
]


def home_of(folder: Path | None) -> Path:
    """The folder of the publisher's state."""
    return state_dir(folder, os.environ, os.geteuid())


def ask_passphrase(home: Path, file: Path | None, *, is_new: bool = False) -> str:
    """The passphrase, asked for only where there is a terminal."""
    ask = getpass.getpass if sys.stdin.isatty() else None
    return passphrase(key_path(home), file, os.environ, ask, is_new=is_new)


def open_publisher(folder: Path | None, passphrase_file: Path | None) -> Publisher:
    """The publisher, its vault open."""
    home = require_present(home_of(folder))  # before anybody is asked for a passphrase
    return Publisher.open(home, ask_passphrase(home, passphrase_file), SystemClock(), SystemEntropy())


def day(time_s: int) -> str:
    """`2026-11-24`, in UTC."""
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d}"


def last_day(end_s: int) -> str:
    """The day that ends at `end_s`, or in which it lies."""
    return f"{datetime.fromtimestamp(end_s, UTC) - timedelta(seconds=1):%Y-%m-%d}"


def minute(time_s: int) -> str:
    """`2026-11-24 09:30 UTC`."""
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M} UTC"


def end_of(typed: str, option: str) -> int:
    """The end of a day that was typed."""
    try:
        last = date.fromisoformat(typed)
        return int(datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp()) + DAY_S
    except ValueError:
        raise typer.BadParameter(f"{typed!r} is not a date (YYYY-MM-DD)", param_hint=option) from None


def moment(typed: str, option: str) -> int:
    """The beginning of a day that was typed, or the moment; UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(typed)
        return max(0, int((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        reason = f"{typed!r} is not a date (YYYY-MM-DD, or YYYY-MM-DDTHH:MM)"
        raise typer.BadParameter(reason, param_hint=option) from None
