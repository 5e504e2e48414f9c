"""`quorate host install-service` and `quorate client install-service`: systemd units, written, shown and removed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.cli.output import JsonFlag, Output
from quorate.cli.unit_files import SYSUSERS_FILE, UNIT_DIR, UnitFile, Wanted, check_program, program, unit_files
from quorate.errors import (
    FileAccessError,
    InvalidSettingError,
    ServiceManagerError,
    ServiceNeedsRootError,
    ServiceProgramHiddenError,
)
from quorate.files import replace_file

if sys.platform != "win32":
    import pwd

__all__ = ["client_install_service", "host_install_service"]

TIMEOUT_S = 120.0  # `systemctl disable --now` waits until the host has answered what was under way
_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

User = Annotated[
    str | None, typer.Option("--user", help="Run as this existing user.", show_default="a user of the service's own")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
Remove = Annotated[
    bool,
    typer.Option("--remove", allow_from_autoenv=False, help="Stop the service and remove its units; its state stays."),
]
UnitDir = Annotated[
    Path, typer.Option("--unit-dir", help="Write the units here, and tell systemd nothing unless it is its own folder.")
]


def host_install_service(listen_of: Callable[[], str]) -> Callable[..., None]:
    """The command, to be added to `quorate host` as `install-service`.

    Args:
        listen_of: `ListenStream=` of the host in the service's state folder, as it is set.
    """

    def install_service(
        socket: Annotated[
            bool, typer.Option("--socket", help="Let systemd hold the clients' port, also while the host restarts.")
        ] = False,
        user: User = None,
        dns_tsig_key: Annotated[
            Path | None, typer.Option("--dns-tsig-key", help="File with the TSIG key, handed to the service only.")
        ] = None,
        dns_keytab: Annotated[
            Path | None, typer.Option("--dns-keytab", help="Keytab for secure updates, such as /etc/krb5.keytab.")
        ] = None,
        admin_tls_cert: Annotated[
            Path | None, typer.Option("--admin-tls-cert", help="Certificate for administration, PEM, with its chain.")
        ] = None,
        admin_tls_key: Annotated[
            Path | None, typer.Option("--admin-tls-key", help="Its key, handed to the service only.")
        ] = None,
        unit_dir: UnitDir = UNIT_DIR,
        remove: Remove = False,
        dry_run: DryRun = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Install the KMS host as a systemd service (root), on the state in /var/lib/quorate/host.

        The service has a user of its own, sees little of the machine, is restarted when it fails, and reloads on
        `systemctl reload`. Nothing is started: the command that does is said.
        """
        secrets = {
            "dns-tsig-key": dns_tsig_key,
            "dns-keytab": dns_keytab,
            "admin-tls-cert": admin_tls_cert,
            "admin-tls-key": admin_tls_key,
        }
        credentials = {name: path.absolute() for name, path in secrets.items() if path is not None}
        wanted = Wanted("host", listen_of() if socket and not remove else None, user, credentials)
        _Work(wanted, unit_dir, dry_run, Output(as_json)).run(remove)

    return install_service


def client_install_service(
    user: User = None,
    unit_dir: UnitDir = UNIT_DIR,
    remove: Remove = False,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Install the client agent as a systemd service (root), for every product in /var/lib/quorate/client.

    It runs as the user quorate-client, which is made where it is missing. Nothing is started: the command that does is
    said.
    """
    _Work(Wanted("client", user=user), unit_dir, dry_run, Output(as_json)).run(remove)


class _Work:
    """One call: what was written, removed and run, and what is next."""

    def __init__(self, wanted: Wanted, unit_dir: Path, dry_run: bool, output: Output) -> None:
        self._wanted = wanted
        self._unit_dir = unit_dir
        self._dry_run = dry_run
        self._output = output
        self._is_systems_own = unit_dir == UNIT_DIR
        self._name = f"quorate-{wanted.role}"
        self._written: list[UnitFile] = []
        self._removed: list[str] = []
        self._ran: list[str] = []

    def run(self, remove: bool) -> None:
        role = self._wanted.role
        if self._is_systems_own and not self._dry_run and os.geteuid() != 0:
            raise ServiceNeedsRootError(command=f"quorate {role} install-service{' --remove' if remove else ''}")
        if remove:
            self._remove((f"{self._name}.socket", f"{self._name}.service"))
            kept = f"/var/lib/quorate/{role}"
            self._tell(f"The state stays in {kept}; what is removed can be installed again.", [])
        else:
            self._install()

    def _install(self) -> None:
        self._check()
        files = unit_files(self._wanted, program(), self._unit_dir)
        names = [each.path.name for each in files if each.path.parent == self._unit_dir]
        if f"{self._name}.socket" not in names:  # an earlier one would hold the port against the service
            self._remove((f"{self._name}.socket",), reload=False)
        for each in files:
            self._written.append(each)
            if not self._dry_run:
                each.path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(each.path, each.text.encode())
        if any(each.path == SYSUSERS_FILE for each in files):
            self._do("systemd-sysusers", str(SYSUSERS_FILE))
        self._reload()
        units = " ".join(sorted(names, reverse=True))  # the socket first: the service takes it over
        done = "Would be installed" if self._dry_run else "Installed"
        init = f"quorate {self._wanted.role} init"
        commands = [f"systemctl enable --now {units}", f"systemctl status {self._name}.service"]
        if f"{self._name}.socket" in names:  # systemd refuses to start the socket of a service that runs
            commands.insert(0, f"systemctl stop {self._name}.service")
        self._tell(f"{done}. It starts once there is something for it (`{init}`).", commands)

    def _check(self) -> None:
        """What would keep the service from starting.

        Raises:
            ServiceProgramHiddenError, InvalidSettingError
        """
        if self._wanted.user is not None and not _is_user(self._wanted.user):
            raise InvalidSettingError(
                name="--user", reason=f"there is no user {self._wanted.user}", allowed="Make it first, or leave it out."
            )
        for name, path in self._wanted.credentials.items():
            if not path.is_file():
                raise InvalidSettingError(
                    name=f"--{name}", reason=f"there is no file {path}", allowed="The service would not start."
                )
        try:
            check_program(program(), self._wanted.role)
        except ServiceProgramHiddenError as hidden:
            if not self._dry_run:
                raise
            self._output.say(f"note: {hidden.message}")

    def _remove(self, names: tuple[str, ...], reload: bool = True) -> None:
        here = [name for name in names if (self._unit_dir / name).exists()]
        if not here:
            return
        if self._is_systems_own and _BOOTED.is_dir():
            self._do("systemctl", "disable", "--now", *here)
        for name in here:
            self._removed.append(str(self._unit_dir / name))
            if not self._dry_run:
                try:
                    (self._unit_dir / name).unlink()
                except OSError as fault:
                    raise FileAccessError(path=self._unit_dir / name, reason=fault.strerror) from None
        if reload:
            self._reload()

    def _reload(self) -> None:
        if self._is_systems_own and _BOOTED.is_dir():
            self._do("systemctl", "daemon-reload")

    def _do(self, *command: str) -> None:
        self._ran.append(shlex.join(command))
        if self._dry_run:
            return
        path = shutil.which(command[0], path=_PATH)
        if path is None:
            raise ServiceManagerError(command=shlex.join(command), reason="it is not installed")
        try:
            done = subprocess.run(  # noqa: S603  (no shell; our own words)
                [path, *command[1:]], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            reason = f"it did not end within {TIMEOUT_S:.0f} s"
            raise ServiceManagerError(command=shlex.join(command), reason=reason) from None
        if done.returncode != 0:
            reason = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
            raise ServiceManagerError(command=shlex.join(command), reason=reason)

    def _tell(self, words: str, next_commands: list[str]) -> None:
        facts: dict[str, Any] = {
            "dry_run": self._dry_run,
            "written": [str(each.path) for each in self._written],
            "removed": self._removed,
            "ran": self._ran,
            "next": next_commands,
        }
        if self._output.as_json:
            if self._dry_run:
                facts["files"] = [{"path": str(each.path), "text": each.text} for each in self._written]
            self._output.facts(facts)
            return
        for each in self._written if self._dry_run else ():
            print(f"# {each.path}\n{each.text}")
        self._output.facts(facts, {name: name for name in ("written", "removed", "ran") if facts[name]})
        self._output.say(words)
        if next_commands:
            self._output.say(f"Next: {next_commands[0]}")


def _is_user(name: str) -> bool:
    if sys.platform == "win32":
        return False
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
