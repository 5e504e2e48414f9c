"""Where the publisher's state lives and where its passphrase comes from; the environment is given, not reached for."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from quorate.core.filekinds import FileKind, given_as
from quorate.errors import FileAccessError, PassphraseMissingError
from quorate.files import check_private, read_given

__all__ = [
    "NEW_ROOT_PASSPHRASE_VARIABLE",
    "PASSPHRASE_VARIABLE",
    "ROOT_PASSPHRASE_VARIABLE",
    "passphrase",
    "root_passphrase",
    "state_dir",
]

PASSPHRASE_VARIABLE = "QUORATE_PASSPHRASE"  # noqa: S105 - the variable's name, not its content
ROOT_PASSPHRASE_VARIABLE = "QUORATE_ROOT_PASSPHRASE"  # noqa: S105 - the variable's name, not its content
NEW_ROOT_PASSPHRASE_VARIABLE = "QUORATE_NEW_ROOT_PASSPHRASE"  # noqa: S105 - the variable's name, not its content
_PASSPHRASE_BYTES_MAX = 4096  # a line that a person or a secret store wrote


def state_dir(given: Path | None, environ: Mapping[str, str], uid: int) -> Path:
    """The folder of the publisher's state.

    Args:
        given: what the person asked for, if anything.
        environ: the environment; XDG_DATA_HOME counts where it is absolute, as its specification asks.
        uid: 0 is root.
    """
    if given is not None:
        return given
    if uid == 0:
        return Path("/var/lib/quorate/publisher")
    data_home = Path(environ.get("XDG_DATA_HOME", ""))
    if not data_home.is_absolute():
        data_home = Path(environ.get("HOME") or Path.home()) / ".local" / "share"
    return data_home / "quorate" / "publisher"


def passphrase(
    key_path: Path,
    file: Path | None,
    environ: Mapping[str, str],
    ask: Callable[[str], str] | None,
    *,
    is_new: bool = False,
    variable: str = PASSPHRASE_VARIABLE,
) -> str:
    """The passphrase of `key_path`: from `file`, else from `variable`, else asked for.

    Args:
        key_path: the file it opens; for messages.
        file: its first line is the passphrase.
        environ: the environment.
        ask: shows a prompt and returns what was typed, unseen; None where there is no terminal.
        is_new: ask twice, as a typing mistake would lock the key away for ever.

    Raises:
        PassphraseMissingError: none was given, an empty one, or two different ones.
        FilePermissionsError: others may read `file`.
        FileAccessError: `file` cannot be read.
    """
    if file is not None:
        return _required(_first_line(file), key_path, f"the first line of {file} is empty")
    if variable in environ:
        return _required(_line(environ[variable]), key_path, f"{variable} is empty")
    if ask is None:
        raise PassphraseMissingError(path=key_path, reason="there is no terminal to ask for it")
    typed = _required(ask("New passphrase: " if is_new else "Passphrase: "), key_path, "what was typed is empty")
    if is_new and ask("The same again: ") != typed:
        raise PassphraseMissingError(path=key_path, reason="what was typed the second time is not the same")
    return typed


def root_passphrase(
    key_path: Path,
    file: Path | None,
    environ: Mapping[str, str],
    otherwise: str,
    variable: str = ROOT_PASSPHRASE_VARIABLE,
) -> str:
    """The passphrase of a root key: from `file`, else from `variable`, else `otherwise`.

    Errors as `passphrase`.
    """
    if file is not None:
        return _required(_first_line(file), key_path, f"the first line of {file} is empty")
    if variable in environ:
        return _required(_line(environ[variable]), key_path, f"{variable} is empty")
    return otherwise


def _required(text: str, key_path: Path, otherwise: str) -> str:
    if not text:
        raise PassphraseMissingError(path=key_path, reason=otherwise)
    return text


def _line(value: str) -> str:
    """A variable's value without what the file it was read from had around it: line ends, a byte order mark."""
    return value.removeprefix("\ufeff").rstrip("\r\n")


def _first_line(file: Path) -> str:
    texts = FileKind.ENROLMENT, FileKind.HOST_KEY, FileKind.ADMIN_TOKEN
    data = read_given(file, _PASSPHRASE_BYTES_MAX)
    if stat.S_ISREG(file.stat().st_mode):  # a pipe (`<(...)`) has no mode worth looking at
        check_private(file)
    data = given_as(data, FileKind.PASSPHRASE, file, *texts) if data else data
    try:
        return re.split("[\r\n]", data.decode("utf-8"), maxsplit=1)[0]
    except UnicodeDecodeError:
        raise FileAccessError(path=file, reason="it is not UTF-8 text") from None
