"""How a running host logs: one line for each happening on stderr, for people on a terminal or as JSON for programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TextIO

import structlog

__all__ = ["LogFormat", "configure_log"]


class LogFormat(StrEnum):
    """`auto` is text on a terminal and JSON elsewhere."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


def configure_log(log_format: LogFormat, stream: TextIO) -> None:
    """Send every log line of this process to `stream`."""
    is_text = log_format is LogFormat.TEXT or (log_format is LogFormat.AUTO and stream.isatty())
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
        if is_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
