"""Which machine this is: its name, whether it is virtual, and a salted hash of what makes it itself.

The hash is written beside the lease. When it is another machine's, the disk was copied, and the client takes a new
CMID by itself. The identity itself never leaves the machine and is never stored in the clear.
"""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from quorate.core.ids import Nonce, b64url, seen

if sys.platform == "win32":
    import winreg

__all__ = ["Machine", "MachineMark"]

_VIRTUAL = re.compile(
    r"qemu|kvm|vmware|virtualbox|innotek|virtual machine|xen|bochs|parallels|bhyve|amazon ec2|google compute|openstack",
    re.IGNORECASE,
)


class MachineMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine's identity as it is stored: salted, so that files of two products say nothing about one machine."""

    salt: Nonce
    digest: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


@dataclass(frozen=True)
class Machine:
    """This machine. `identity` is None where none can be read (then copies are not noticed here, but by the host)."""

    name: str
    identity: str | None
    is_virtual: bool

    @classmethod
    def here(cls) -> Machine:
        """The machine this process runs on."""
        return cls(name=machine_name(socket.gethostname()), identity=_identity(), is_virtual=_is_virtual())

    def mark(self, salt: str) -> MachineMark | None:
        """What to store beside a lease of this machine."""
        if self.identity is None:
            return None
        said = f"quorate-machine:{salt}:{self.identity}".encode()
        return MachineMark(salt, b64url(hashlib.sha256(said).digest()))

    def is_another_than(self, mark: MachineMark | None) -> bool:
        """Whether `mark` was made on another machine. Unknown on either side is no proof of that."""
        return mark is not None and self.identity is not None and self.mark(mark.salt) != mark


def machine_name(text: str) -> str:
    """A name fit for the wire: no control characters, at most 253, never empty or unseen."""
    return seen(text, otherwise="unknown")


if sys.platform == "win32":

    def _identity() -> str | None:
        try:
            with winreg.OpenKey(
                winreg.HKEY_LOCAL_MACHINE,
                r"SOFTWARE\Microsoft\Cryptography",
                0,
                winreg.KEY_READ | winreg.KEY_WOW64_64KEY,
            ) as key:
                return str(winreg.QueryValueEx(key, "MachineGuid")[0])
        except OSError:
            return None

elif sys.platform == "darwin":

    def _identity() -> str | None:
        try:
            told = subprocess.run(
                ["/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"],
                capture_output=True,
                text=True,
                timeout=5,
                check=True,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return None
        found = re.search(r'"IOPlatformUUID" = "([^"]{8,64})"', told)
        return found.group(1) if found else None

else:

    def _identity() -> str | None:
        for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):  # machine-id(5)
            text = _first_words(path)
            if re.fullmatch(r"[0-9a-f]{32}", text):
                return text
        return None


def _is_virtual() -> bool:
    dmi = Path("/sys/class/dmi/id")
    told = " ".join(_first_words(dmi / name) for name in ("sys_vendor", "product_name", "board_vendor"))
    return bool(_VIRTUAL.search(told)) or bool(_first_words(Path("/sys/hypervisor/type")))


def _first_words(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(256).decode("utf-8", "replace").strip()
    except OSError:
        return ""
