"""Where events are handed to. A target takes a list in order, and returns when all of it is safely there.

"Safely there" is as much as each way can know: a file is on disk, journald's socket has taken it, a TCP connection's
other end has acknowledged every byte. UDP cannot know anything; it tells a closed port at best.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import stat
import struct
import termios
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from quorate.host.export.forms import Exported, journal_datagram, json_line, syslog_message
from quorate.host.nearby import check_led_away

__all__ = ["DEV_LOG", "JOURNAL", "Datagrams", "FileTarget", "Target", "TcpSyslog"]

JOURNAL: Final = Path("/run/systemd/journal/socket")
DEV_LOG: Final = Path("/dev/log")
TIMEOUT_S: Final = 5.0  # for a connection, and for what was sent to be taken
LOOK_S: Final = 0.02
LOOKS_MAX: Final = 250  # 5 s
FILES_KEPT: Final = 9  # older files of `export-file`, beside the one that is written


class Target(Protocol):
    """Raises OSError with a reason; then none, some or all of the list has arrived, and it is sent again."""

    def send(self, given: Sequence[Exported]) -> None:
        """Hand all of it on, in order."""
        ...

    def close(self) -> None:
        """Let go of files and sockets; the next `send` opens them anew."""
        ...


class FileTarget:
    """JSON lines in a file, mode 0600; it becomes `NAME.1` when it is larger than `bytes_max`, and nine are kept."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path = path
        self._bytes_max = bytes_max

    def send(self, given: Sequence[Exported]) -> None:
        lines = b"".join(map(json_line, given))
        descriptor = os.open(
            self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600
        )
        with os.fdopen(descriptor, "ab") as file:
            size = _size_of_ours(descriptor)
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines  # a line that a power cut left unfinished; it follows once more, whole
            file.write(lines)
            file.flush()
            os.fsync(descriptor)
            is_full = size + len(lines) > self._bytes_max
        if is_full:
            self._rotate()

    def close(self) -> None:
        pass  # it is open only while it is written: whoever moves it away may do so

    def _rotate(self) -> None:
        for number in range(FILES_KEPT, 0, -1):
            older = self._path if number == 1 else self._numbered(number - 1)
            with contextlib.suppress(FileNotFoundError):
                older.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class Datagrams:
    """One datagram for each: journald's or syslog's local socket, or a syslog server by UDP.

    Args:
        where: the path of a socket, or a host and a port.
        hostname: this machine's name for syslog; None: the journal's form.
    """

    def __init__(self, where: Path | tuple[str, int], hostname: str | None) -> None:
        self._where = where
        self._hostname = hostname
        self._socket: socket.socket | None = None

    def send(self, given: Sequence[Exported]) -> None:
        opened = self._socket or self._open()
        self._socket = opened
        for each in given:
            try:
                opened.send(self._form(each))
            except OSError as fault:
                if fault.errno != errno.EMSGSIZE:
                    raise
                opened.send(self._form(_shortened(each)))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _form(self, each: Exported) -> bytes:
        return journal_datagram(each) if self._hostname is None else syslog_message(each, self._hostname)

    def _open(self) -> socket.socket:
        if isinstance(self._where, Path):
            return _connected(socket.AF_UNIX, socket.SOCK_DGRAM, str(self._where))
        family, kind, _, _, address = socket.getaddrinfo(*self._where, type=socket.SOCK_DGRAM)[0]
        return _led_away(_connected(family, kind, address), self._where[0])


class TcpSyslog:
    """A syslog server by TCP; each message has its length before it (RFC 6587, octet counting)."""

    def __init__(self, host: str, port: int, hostname: str) -> None:
        self._address = host, port
        self._hostname = hostname
        self._socket: socket.socket | None = None

    def send(self, given: Sequence[Exported]) -> None:
        if self._socket is not None and _is_ended(self._socket):
            self.close()
        if self._socket is None:
            self._socket = _led_away(socket.create_connection(self._address, timeout=TIMEOUT_S), self._address[0])
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        messages = [syslog_message(each, self._hostname) for each in given]
        self._socket.sendall(b"".join(b"%d %s" % (len(message), message) for message in messages))
        self._settle(self._socket)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _settle(self, opened: socket.socket) -> None:
        """Wait until the other machine has acknowledged all of it: what is still here would die with the connection."""
        never = threading.Event()
        for _ in range(LOOKS_MAX):
            if not _unsent(opened):
                break
            never.wait(LOOK_S)
        else:
            raise TimeoutError(errno.ETIMEDOUT, "it does not take what is sent")
        if _is_ended(opened):
            raise ConnectionResetError(errno.ECONNRESET, "it has ended the connection")


def _size_of_ours(descriptor: int) -> int:
    """Its size, if it is a file of events or a new one: `host.db`, named by mistake, would not survive a line more."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or (found.st_size and os.pread(descriptor, 1, 0) != b"{"):
        raise FileExistsError(errno.EEXIST, "there is something else than exported events in it")
    return found.st_size


def _connected(family: int, kind: int, address: str | tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, kind)
    try:
        made.settimeout(TIMEOUT_S)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


def _led_away(connected: socket.socket, host: str) -> socket.socket:
    try:
        check_led_away(connected, host)
    except OSError:
        connected.close()
        raise
    return connected


def _unsent(opened: socket.socket) -> int:
    """Bytes that the other end has not acknowledged yet."""
    return int(struct.unpack("i", fcntl.ioctl(opened, termios.TIOCOUTQ, bytes(4)))[0])


def _is_ended(opened: socket.socket) -> bool:
    """Whether the other end has closed: it would take what is sent now, and throw it away. It has nothing to say."""
    poller = select.poll()  # not `select`, which a host with a thousand connections cannot use
    poller.register(opened, select.POLLIN | select.POLLRDHUP)
    for _, seen in poller.poll(0):
        if seen & ~select.POLLIN:
            return True
        return not opened.recv(4096)
    return False


def _shortened(given: Exported) -> Exported:
    """What an event that is too large for one datagram keeps: its number, kind and words."""
    kept = {"id", "event_id", "title", "level", "time_s", "code", "digest", "checkpoint_of"}
    view = {name: value for name, value in given.view.items() if name in kept}
    return Exported(given.number, {**view, "message": given.words[:500], "shortened": True})
