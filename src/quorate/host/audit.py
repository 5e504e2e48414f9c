"""Who changes a host: every change of administration, and every refused one, leaves event 12315.

The event is written in the transaction of the change where that is in the database. A file is replaced within such a
transaction, which is begun first: a store that cannot be written stops the change. Only a crash, or a disk that fills
up, in the moment between the file and the commit leaves a change without its event.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from quorate.clock import Clock
from quorate.core.events import AdministrationChanged, SettingChange
from quorate.errors import QuorateError
from quorate.host.config import Settings
from quorate.host.configuration import Configuration
from quorate.host.keyring import HostKeyring
from quorate.host.store.store import Store
from quorate.host.store.transaction import Transaction, transaction

__all__ = ["LOCAL_SOURCE", "Actor", "Audited", "Change", "told"]

LOCAL_SOURCE: Final = "local"
TEXT_MAX: Final = 500  # characters of one event's message
_LOGIN_UID = Path("/proc/self/loginuid")
_NO_LOGIN: Final = 4_294_967_295  # the kernel's word for "nobody logged in": a service, a container


@dataclass(frozen=True)
class Actor:
    """Who it is. `name`: of a token, or of this machine's user; `source`: an address, or `local`."""

    name: str
    source: str

    @classmethod
    def this_user(cls) -> Actor:
        """Whose process this is, by the operating system's word; behind `sudo` also who logged in."""
        user = os.getuid()  # root, where it works on a service's state with the service's rights
        name = _user_name(user)
        try:
            login = int(_LOGIN_UID.read_text("ascii"))
        except (OSError, ValueError):
            login = _NO_LOGIN
        if login not in (_NO_LOGIN, user):
            name = f"{name} (logged in as {_user_name(login)})"
        return cls(name, LOCAL_SOURCE)


class Change:
    """One change that is under way, and what its event will say: `message` and `changes`."""

    def __init__(self, within: Transaction, message: str) -> None:
        self.within = within
        self.message = message
        self.changes: tuple[SettingChange, ...] = ()

    def settings(self, before: Mapping[str, str | int], after: Mapping[str, str | int]) -> None:
        """Say which settings it changes, by what people type."""
        pairs = [(name, _shown(before[name]), _shown(after[name])) for name in after]
        self.changes = tuple(SettingChange(*pair) for pair in pairs)
        self.message = "; ".join(f"{name}: {old or 'none'} -> {new or 'none'}" for name, old, new in pairs)


class Audited:
    """What `Administration` is made of: parts that change a host and say who did. `by` is always the process's own
    user, unless somebody else is named.

    Args:
        configuration: what is said of settings beside the store; default: nothing.
    """

    def __init__(
        self, keyring: HostKeyring, store: Store, clock: Clock, configuration: Configuration | None = None
    ) -> None:
        self.keyring = keyring
        self.configuration = configuration or Configuration()
        self._store = store
        self._clock = clock

    def settings(self) -> Settings:
        """All settings: the store's, and what is said of them beside it."""
        return self.configuration.layers.settings(self._store.settings())

    @contextmanager
    def changing(self, by: Actor | None, action: str, what: str) -> Iterator[Change]:
        """The change is done within the block; its event is on disk when the block ends, and when it was refused.

        Args:
            action: one word for scripts, such as `settings`.
            what: the message, unless the block changes it; nothing secret.

        Raises:
            StoreUnavailableError: it could not be written down, and files within the block may be changed.
            QuorateError: what the block raised.
        """
        with self.trying(by, action, what), transaction(self._store.database) as within:
            change = Change(within, what)
            yield change
            within.record(self._event(by, action, change.message, change.changes))

    @contextmanager
    def trying(self, by: Actor | None, action: str, what: str) -> Iterator[None]:
        """Around what comes before a change: when it is refused, the event says so."""
        try:
            yield
        except QuorateError as fault:
            with contextlib.suppress(QuorateError):  # the fault itself is what has to be told
                said = fault.message if fault.message.startswith(what) else f"{what}: {fault.message}"
                self._store.record(self._event(by, action, said, (), fault))
            raise

    def note(self, by: Actor | None, action: str, message: str) -> None:
        """The event of something that was done elsewhere.

        Raises:
            StoreUnavailableError: it was not kept.
        """
        self._store.record(self._event(by, action, message, ()))

    def _event(
        self,
        by: Actor | None,
        action: str,
        message: str,
        changes: tuple[SettingChange, ...],
        fault: QuorateError | None = None,
    ) -> AdministrationChanged:
        return told(self._clock.now_s(), by or Actor.this_user(), action, message, changes, fault)


def told(
    now_s: int,
    by: Actor,
    action: str,
    message: str,
    changes: tuple[SettingChange, ...] = (),
    fault: QuorateError | None = None,
) -> AdministrationChanged:
    """The event, its texts bounded and fit for a terminal."""
    return AdministrationChanged(
        time_s=now_s,
        code=None if fault is None else fault.code,
        hresult=0 if fault is None else fault.hresult or 0,
        actor=_line(by.name, 100),
        source=_line(by.source, 100),
        action=action,
        message=_line(message, TEXT_MAX),
        changes=changes,
    )


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"


def _shown(value: Any) -> str:
    return _line(str(value), TEXT_MAX)


def _line(text: str, longest: int) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."
