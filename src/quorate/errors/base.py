"""What every error is: a stable code, the values that matter, and the next step."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["QuorateError", "RefusedError", "written_out"]


class QuorateError(Exception):
    """The base of all. Never raised itself.

    Attributes:
        code: stable name, upper case, never reused for another cause.
        hresult: Microsoft's number for the same cause, or None.
        http_status: status of the RFC 9457 problem that carries it, when a host answers with one.
        values: what the message was made from.
        message, hint: for people; their wording may change.
    """

    code: ClassVar[str] = "QUORATE_ERROR"
    hresult: ClassVar[int | None] = None
    http_status: ClassVar[int] = 500
    template: ClassVar[str] = "unexpected error"
    hint_template: ClassVar[str] = "Please report this with the command that led here."

    def __init__(self, **values: object) -> None:
        self.values = values
        self.message = written_out(self.template.format(**values))
        self.hint = written_out(self.hint_template.format(**values))
        super().__init__(self.message)

    @property
    def hresult_text(self) -> str | None:
        """`0xC004F038` style, or None."""
        return None if self.hresult is None else f"0x{self.hresult:08X}"

    @classmethod
    def carried(cls, message: str, hint: str) -> QuorateError:
        """The same error as another machine told it: its words, our class."""
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        error.values, error.message, error.hint = {}, written_out(message), written_out(hint)
        return error


def written_out(text: str) -> str:
    """Words that may repeat what stood in a file or came from elsewhere: what would move a terminal's cursor, change
    its colours or the direction of the text is written out."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)


class RefusedError(QuorateError):
    """A host that understood the question said no."""

    http_status = 200
