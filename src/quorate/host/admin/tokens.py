"""The named tokens of administration over the network: `admin.tokens` in the state folder, mode 0600.

Of a token only its SHA-256 is kept (`core.admintoken`). A running host looks at the file whenever it is asked, so a
token that was added is good at once, and one that was removed is not.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from quorate.clock import Entropy
from quorate.core.admintoken import SECRET_BYTES, Scope, token_hash, token_text
from quorate.core.ids import Slug
from quorate.core.messages import decode_strict, encode
from quorate.core.trust import utc_text
from quorate.errors import InvalidSettingError, NotKnownError, TokenExistsError, TokenLimitError
from quorate.files import SECRET_MODE, read_secret, replace_file
from quorate.host.admin.audit import Audited
from quorate.host.settings.paths import StatePaths

__all__ = ["LOCAL", "TOKENS_MAX", "AdminTokens", "KeptToken", "RemovedToken", "TokenBook", "TokenDesk", "checked_name"]

LOCAL: Final = "admin"
"""The name of the token in `admin.token`, which is good on the machine itself only. No other token is called so."""

TOKENS_MAX: Final = 64
REMOVED_MAX: Final = 64  # the last ones, so that the event of a refused one can say that it was removed
_BYTES_MAX: Final = 64 * 1024  # four times what so many take

_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class KeptToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One token. `expires_s`: None, and it does not end."""

    name: Slug
    scope: Scope
    sha256: _Hash
    made_s: int
    expires_s: int | None = None

    def is_expired(self, now_s: int) -> bool:
        """Whether its time is over."""
        return self.expires_s is not None and now_s >= self.expires_s


class RemovedToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One that is good no more."""

    name: Slug
    sha256: _Hash
    removed_s: int


class TokenBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file's content: the tokens by their age, and the last that were removed."""

    format: Literal[1] = 1
    tokens: Annotated[tuple[KeptToken, ...], Meta(max_length=TOKENS_MAX)] = ()
    removed: Annotated[tuple[RemovedToken, ...], Meta(max_length=REMOVED_MAX)] = ()

    def named(self, name: str) -> KeptToken | None:
        """The token of that name."""
        return next((each for each in self.tokens if each.name == name), None)

    def found(self, text: str) -> KeptToken | RemovedToken | None:
        """The token, good, expired or removed, whose text this is."""
        digest = token_hash(text)
        both: tuple[KeptToken | RemovedToken, ...] = (*self.tokens, *self.removed)
        return next((each for each in both if each.sha256 == digest), None)


_decoder = msgspec.json.Decoder(TokenBook)


class AdminTokens:
    """The file. Whoever changes it holds the store's write lock meanwhile (`audit.Audited`): no change is lost."""

    def __init__(self, paths: StatePaths) -> None:
        self._path = paths.tokens
        self._read: tuple[tuple[int, int, int], TokenBook] | None = None

    def book(self) -> TokenBook:
        """What is in it now; empty where there is no file. From one thread at a time.

        Raises:
            FilePermissionsError, FileAccessError, MalformedError: it cannot be used.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return TokenBook()
        except OSError:  # the reading says why
            return decode_strict(_decoder, read_secret(self._path, _BYTES_MAX), str(self._path))
        stamp = (found.st_mtime_ns, found.st_ino, found.st_mode)
        if self._read is None or self._read[0] != stamp:
            self._read = (stamp, decode_strict(_decoder, read_secret(self._path, _BYTES_MAX), str(self._path)))
        return self._read[1]

    def add(self, name: str, scope: Scope, text: str, now_s: int, expires_s: int | None) -> KeptToken:
        """Keep a new token.

        Raises:
            InvalidSettingError: no name for a token.
            TokenExistsError, TokenLimitError: nothing was changed.
            FilePermissionsError, FileAccessError, MalformedError
        """
        book = self.book()
        if book.named(name) is not None:
            raise TokenExistsError(name=name)
        if len(book.tokens) >= TOKENS_MAX:
            raise TokenLimitError(number=len(book.tokens))
        token = KeptToken(name=name, scope=scope, sha256=token_hash(text), made_s=now_s, expires_s=expires_s)
        self._write(msgspec.structs.replace(book, tokens=(*book.tokens, token)))
        return token

    def remove(self, name: str, now_s: int) -> KeptToken:
        """Take a token away.

        Raises:
            NotKnownError: there is none of that name.
            FilePermissionsError, FileAccessError, MalformedError
        """
        book = self.book()
        token = book.named(name)
        if token is None:
            raise NotKnownError(what="token", name=name, known=", ".join(each.name for each in book.tokens) or "none")
        gone = RemovedToken(name=token.name, sha256=token.sha256, removed_s=now_s)
        left = tuple(each for each in book.tokens if each is not token)
        self._write(TokenBook(tokens=left, removed=(*book.removed, gone)[-REMOVED_MAX:]))
        return token

    def _write(self, book: TokenBook) -> None:
        replace_file(self._path, msgspec.json.format(encode(book)) + b"\n", SECRET_MODE)


def checked_name(name: str) -> str:
    """A name that a token may have.

    Raises:
        InvalidSettingError: another one.
    """
    allowed = "Allowed: a-z, 0-9, dot and dash, at most 64, and not admin."
    shown = "".join(c if c.isprintable() else "?" for c in name)[:60]
    try:
        msgspec.convert(name, Slug)
    except msgspec.ValidationError:
        raise InvalidSettingError(name="NAME", reason=f"{shown!r} is no name for a token", allowed=allowed) from None
    if name == LOCAL:
        reason = "admin is the host's own token, in admin.token"
        raise InvalidSettingError(name="NAME", reason=reason, allowed=allowed)
    return name


class TokenDesk(Audited):
    """What `Administration` does with tokens. Only on the machine itself: whoever holds a token cannot make another, so
    taking it away is the end of it."""

    def tokens(self) -> tuple[KeptToken, ...]:
        """All of them, expired ones too; raises as `AdminTokens.book`."""
        return AdminTokens(self.keyring.paths).book().tokens

    def add_token(self, name: str, scope: Scope, expires_s: int | None, entropy: Entropy) -> str:
        """Make a token; its text, which nobody is told again. Raises as `AdminTokens.add`."""
        with self.changing(None, "token", f"token {name}") as change:
            text = token_text(entropy.token(SECRET_BYTES))
            AdminTokens(self.keyring.paths).add(checked_name(name), scope, text, self._clock.now_s(), expires_s)
            ends = "" if expires_s is None else f", until {utc_text(expires_s)}"
            change.message = f"token {name} added, to {scope.value}{ends}"
        return text

    def remove_token(self, name: str) -> None:
        """Take a token away; a running host refuses it at once. Raises as `AdminTokens.remove`."""
        with self.changing(None, "token", f"token {name}") as change:
            AdminTokens(self.keyring.paths).remove(name, self._clock.now_s())
            change.message = f"token {name} removed"
