"""This machine's KMS host as slmgr's switches use it: its state folder, as `quorate host` uses it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from quorate.cli.host.open import open_host, stronger_note

__all__ = ["StateFolderDesk"]


class StateFolderDesk:
    """The host in a state folder (None: the usual one). Close it (it is a context manager)."""

    def __init__(self, folder: Path | None) -> None:
        self._host = open_host(folder)

    def __enter__(self) -> StateFolderDesk:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._host.close()

    def facts(self) -> dict[str, Any]:
        shown: dict[str, Any] = msgspec.to_builtins(self._host.status())
        return shown

    def set(self, name: str, text: str) -> dict[str, Any]:
        stands = dict(self._host.set_settings({name: text}))
        note = stronger_note(self._host, name)
        if note is not None:
            sys.stderr.write(f"{note}\n")
        return stands

    def install_key(self, typed: str) -> str:
        return self._host.install_key(typed).last_five

    def request(self) -> str:
        return self._host.request()

    def activate(self, confirmation: str) -> int:
        return self._host.activate(confirmation).expires_s

    def activate_online(self) -> int | None:
        address = self._host.publisher_address()
        return None if address is None else self._host.activate_online(address).expires_s

    def remove_key_text(self) -> bool:
        return self._host.remove_key_text()

    def uninstall_key(self) -> None:
        self._host.uninstall_key()
