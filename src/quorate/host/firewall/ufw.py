"""ufw: an application profile named "KMS Traffic", and a rule that names the profile.

ufw passes over a profile that it does not like with a warning and exit code 0, so its words are read.
"""

from __future__ import annotations

import re
from pathlib import Path

from quorate.errors import FileAccessError
from quorate.files import replace_file
from quorate.host.firewall.forms import NAME, UFW_PROFILE, Form, form, ufw_profile
from quorate.host.firewall.tools import Tools

__all__ = ["Ufw"]

_FAULTS = ("WARN:", "ERROR:")
_PROFILE_BYTES_MAX = 4096


class Ufw:
    """The firewall that Ubuntu and many Debian machines have."""

    name = "ufw"

    def __init__(self, tools: Tools, profile: Path = Path(UFW_PROFILE)) -> None:
        self._tools = tools
        self._profile = profile

    def filters(self) -> bool:
        """Whether it is switched on."""
        return "Status: active" in (self._tools.answers("ufw", "status") or "")

    def ports(self) -> tuple[int, ...]:
        """The profile's port, when a rule names the profile (also while ufw is switched off)."""
        if not self._has_rule():
            return ()
        shown = self._tools.ask("ufw", "status", "verbose")
        found = re.findall(rf"^(\d+)/tcp \({re.escape(NAME)}\)", shown, re.MULTILINE)  # what really holds
        found = found or re.findall(r"^ports=(\d+)/tcp$", self._written(), re.MULTILINE)
        return tuple(sorted({int(port) for port in found}))

    def form(self, port: int) -> Form:
        return form(self.name, port)

    def enable(self, port: int) -> None:
        if self._written() != ufw_profile(port):
            replace_file(self._profile, ufw_profile(port).encode("ascii"))
            self._tools.did.append(f"wrote {self._profile}")
        self._tools.ask("ufw", "app", "info", NAME)
        if not self._has_rule():
            self._tools.change("ufw", "allow", NAME, faults=_FAULTS)
        if self.ports() != (port,):  # a rule keeps the port that the profile had when it was made
            self._tools.change("ufw", "app", "update", NAME, faults=_FAULTS)

    def disable(self) -> None:
        if self._has_rule():
            self._tools.change("ufw", "delete", "allow", NAME, faults=_FAULTS)
        if self._profile.exists():
            try:
                self._profile.unlink()
            except OSError as fault:
                raise FileAccessError(path=self._profile, reason=fault.strerror) from None
            self._tools.did.append(f"removed {self._profile}")

    def note(self, port: int) -> str:
        if self.filters():
            return ""
        return f"ufw is switched off: the rule for port {port} holds from `ufw enable` on."

    def _has_rule(self) -> bool:
        return f"ufw allow '{NAME}'" in self._tools.ask("ufw", "show", "added")

    def _written(self) -> str:
        try:
            return self._profile.read_bytes()[:_PROFILE_BYTES_MAX].decode("utf-8", "replace")
        except OSError:
            return ""
