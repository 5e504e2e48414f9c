"""What is wrong with an event log, or with taking it elsewhere."""

from __future__ import annotations

from quorate.errors.base import QuorateError

__all__ = ["CheckpointForeignError", "EventDamagedError", "EventExportError", "EventLogBrokenError"]


class EventLogBrokenError(QuorateError):
    """The log is not what the host wrote."""

    code = "EVENT_LOG_BROKEN"
    template = "the event log is not what this host wrote: {finding}"
    hint_template = "{advice}"


class EventDamagedError(QuorateError):
    """One event cannot be shown."""

    code = "EVENT_DAMAGED"
    template = "event {number} cannot be read: it is not what this host wrote"
    hint_template = "`quorate host events verify` tells what was done to the log. Other events: `--id`, `--limit`."


class CheckpointForeignError(QuorateError):
    """A checkpoint that this host's key has not signed proves nothing here."""

    code = "CHECKPOINT_FOREIGN"
    template = "{path}: this checkpoint was not signed by this host"
    hint_template = (
        "It is another host's, it was changed, or this host was made anew since. Use one of this host's own."
    )


class EventExportError(QuorateError):
    """Events could not be handed on. They stay in the log, and go out when it works again."""

    code = "EVENT_EXPORT_FAILED"
    template = "events cannot be handed to {target}: {reason}"
    hint_template = (
        "Nothing is lost while the log keeps them: the export goes on from event {number} once the target takes "
        "events again."
    )
