"""`quorate host backup`, `restore`, `new-database`: a whole host into one file and back, and what to do without one."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from quorate.cli.hostopen import host_paths
from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.cli.progress import progress
from quorate.cli.variables import BACKUP_PASSPHRASE_VARIABLE
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.trust import utc_text
from quorate.host.backup import Backup, back_up
from quorate.host.restore import new_database, restore
from quorate.owner import as_asker
from quorate.publisher.config import passphrase

__all__ = ["add_backup_commands"]

BackupPassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="QUORATE_BACKUP_PASSPHRASE_FILE",
        help="File whose first line seals or opens the backup. Without it: QUORATE_BACKUP_PASSPHRASE.",
        show_default=False,
    ),
]

_LABELS = {
    "backup": "Backup",
    "host_id": "Host id",
    "made": "Made",
    "files": "Files",
    "bytes": "Bytes",
    "state_dir": "State",
}


def add_backup_commands(app: typer.Typer) -> None:
    """The three commands, into `quorate host`."""
    app.command("backup", epilog="Example: quorate host backup kms.backup")(_backup)
    app.command("restore", epilog="Example: quorate host restore kms.backup")(_restore)
    app.command("new-database", epilog="Example: quorate host new-database")(_new_database)


def _backup(
    file: Annotated[Path, typer.Argument(help="Where to write it; a new file.", metavar="FILE")],
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Ask for a passphrase that seals it, where none is given otherwise.")
    ] = False,
    passphrase_file: BackupPassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Put this host into one file: papers, records, settings. It may run meanwhile.

    With a passphrase (--encrypt, --passphrase-file, QUORATE_BACKUP_PASSPHRASE) the file is sealed: keep the passphrase
    elsewhere, as nobody can open it without.
    """
    output = Output(as_json)
    is_sealed = encrypt or passphrase_file is not None or BACKUP_PASSPHRASE_VARIABLE in os.environ
    secret = _passphrase(file, passphrase_file, is_new=True) if is_sealed else None
    with progress(f"Writing {file.name}"):
        made = back_up(host_paths(folder), file.absolute(), SystemClock(), SystemEntropy(), secret)
    _show(output, file, made, is_sealed=is_sealed)
    if is_sealed:
        output.say("It is sealed with the passphrase: without it nobody can restore from it, you neither.")
    else:
        output.say(
            f"{file} holds this host's signing key: who has it can answer as this host. Keep it where keys are kept, "
            "or seal it: --encrypt."
        )


def _restore(
    file: Annotated[Path, typer.Argument(help="What `quorate host backup` wrote.", metavar="FILE")],
    passphrase_file: BackupPassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Make an empty folder the host that a backup holds, on this machine or another. It uses no activation."""
    output = Output(as_json)
    paths = host_paths(folder)
    with progress(f"Restoring {file.name}") as told:

        def ask() -> str:
            with told.quiet():
                return _passphrase(file, passphrase_file, is_new=False)

        made = restore(file.absolute(), paths, SystemClock(), SystemEntropy(), ask)
    _show(output, file, made, paths.root)
    if file.stat().st_mode & 0o077:
        output.say(f"note: {file} may be read by others, and holds this host's signing key: chmod 600 {file}")
    output.say("Next: quorate host run. Never beside the host that the backup was made of: they are one and the same.")


def _new_database(folder: StateDir = None, as_json: JsonFlag = False) -> None:
    """Begin with an empty database where the host has lost its own. Clients are counted as they come back."""
    output = Output(as_json)
    paths = host_paths(folder)
    new_database(paths, SystemClock(), SystemEntropy())
    output.facts({"database": str(paths.database)}, {"database": "Database"})
    output.say("All settings are at their defaults; make yours again (quorate host set). Next: quorate host run")


def _passphrase(file: Path, passphrase_file: Path | None, *, is_new: bool) -> str:
    with as_asker():  # what root named, root reads
        ask = getpass.getpass if sys.stdin.isatty() else None
        return passphrase(file, passphrase_file, os.environ, ask, is_new=is_new, variable=BACKUP_PASSPHRASE_VARIABLE)


def _show(output: Output, file: Path, made: Backup, root: Path | None = None, *, is_sealed: bool | None = None) -> None:
    facts = {
        "backup": str(file),
        "host_id": made.host_id,
        "made_s": made.made_s,
        "made": utc_text(made.made_s),
        "version": made.version,
        "schema": made.schema,
        "files": len(made.members),
        "bytes": sum(member.size for member in made.members),
        **({} if root is None else {"state_dir": str(root)}),
        **({} if is_sealed is None else {"sealed": is_sealed}),
    }
    output.facts(facts, _LABELS)
