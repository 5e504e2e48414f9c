"""What publication keeps in the host's store: what was published, and what came of it, for everybody who asks.

Both are rows of the settings table. A running host and a command change them in one transaction each, so neither loses
what the other wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from quorate.core.messages import encode
from quorate.host.publication.publisher import DomainResult
from quorate.host.store.schema import settings
from quorate.host.store.store import Store

__all__ = ["DomainState", "PublicationState", "StoreMemory", "change_state", "read_state", "state_in"]

MEMORY_ROW, STATE_ROW = "dns-published", "dns-state"


class DomainState(msgspec.Struct, frozen=True, kw_only=True):
    """The last result of one record in one domain.

    `result` is `published`, `withdrawn`, or the code of the error, which then is in `code` too; `is_verified`: the
    name server has proven its answer; `note`: what was unusual about a success.
    """

    action: str
    domain: str
    result: str
    record: str | None
    server: str | None
    zone: str | None
    is_verified: bool
    note: str | None
    code: str | None
    message: str | None
    hint: str | None
    time_s: int

    @classmethod
    def of(cls, result: DomainResult) -> DomainState:
        """A result as it is kept and shown."""
        done = "published" if result.action == "publish" else "withdrawn"
        error = result.error
        return cls(
            action=result.action,
            domain=result.domain.rstrip("."),
            result=done if error is None else error.code,
            record=None if result.record is None else result.record.line,
            server=result.server or None,
            zone=result.zone.rstrip(".") or None,
            is_verified=result.is_verified,
            note=result.note or None,
            code=None if error is None else error.code,
            message=None if error is None else error.message,
            hint=None if error is None else error.hint,
            time_s=result.time_s,
        )


class PublicationState(msgspec.Struct, frozen=True):
    """The last results, and when a running host tries again (seconds since 1970; None: it does not, or never did)."""

    results: tuple[DomainState, ...] = ()
    next_s: int | None = None

    @property
    def failures(self) -> tuple[DomainState, ...]:
        """Those that did not work."""
        return tuple(each for each in self.results if each.code is not None)

    def after(self, results: tuple[DomainResult, ...], next_s: int | None) -> PublicationState:
        """This, with the results of one more round; a `next_s` of None leaves the time as it is."""
        return PublicationState(tuple(map(DomainState.of, results)), self.next_s if next_s is None else next_s)


class StoreMemory:
    """The row that outlives the process (`publisher.Memory`)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self) -> str | None:
        """What is remembered.

        Raises:
            StoreUnavailableError
        """
        text = self._store.settings().get(MEMORY_ROW)
        return text if isinstance(text, str) else None

    def change(self, edit: Callable[[str | None], str]) -> None:
        """Replace it by what `edit` makes of it, in one transaction.

        Raises:
            StoreUnavailableError: it is as it was.
        """
        _change(self._store, MEMORY_ROW, lambda value: edit(value if isinstance(value, str) else None))


def read_state(store: Store) -> PublicationState:
    """What came of publication last.

    Raises:
        StoreUnavailableError
    """
    return state_in(store.settings())


def state_in(stored: Mapping[str, Any]) -> PublicationState:
    """The same, from settings that were read already. What a newer version wrote, or a hand spoiled, is nothing."""
    return _state(stored.get(STATE_ROW))


def change_state(store: Store, edit: Callable[[PublicationState], PublicationState]) -> None:
    """Replace the state by what `edit` makes of it, in one transaction.

    Raises:
        StoreUnavailableError: it is as it was.
    """
    _change(store, STATE_ROW, lambda value: msgspec.to_builtins(edit(_state(value))))


def _state(value: Any) -> PublicationState:
    try:
        return msgspec.convert(value, PublicationState)
    except msgspec.ValidationError:
        return PublicationState()


def _change(store: Store, name: str, edit: Callable[[Any], Any]) -> None:
    with store.database.writing() as connection:
        found = connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar()
        value = edit(None if found is None else msgspec.json.decode(found))
        statement = insert(settings).values(name=name, value=encode(value).decode())
        replaced = statement.on_conflict_do_update(index_elements=["name"], set_={"value": statement.excluded.value})
        connection.execute(replaced)
