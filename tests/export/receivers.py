"""Real receivers: UDP and TCP syslog servers, a socket like journald's; and what they have to understand."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["BOUND_S", "JournalSocket", "Syslog", "TcpServer", "UdpServer", "closed_port", "journal_fields"]

BOUND_S = 60.0  # for every wait; reached only when something is broken

_MESSAGE = re.compile(
    r"<(?P<pri>[0-9]{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128})"
    r" (?P<kind>[!-~]{1,32}) \[(?P<id>[!#-<>-\\^-~]{1,32})"
    r"(?P<sd>(?: [!#-<>-\\^-~]{1,32}=\"(?:[^\"\\\]]|\\[\"\\\]])*\")*)\]"
    r" (?P<words>.*)",
    re.DOTALL,
)
_PARAMETER = re.compile(r" ([!#-<>-\\^-~]{1,32})=\"((?:[^\"\\\]]|\\[\"\\\]])*)\"", re.DOTALL)


@dataclass(frozen=True)
class Syslog:
    """One message, parsed by the grammar of RFC 5424."""

    priority: int
    time: str
    host: str
    app: str
    kind: str
    fields: dict[str, str]
    words: str

    @classmethod
    def parse(cls, data: bytes) -> Syslog:
        found = _MESSAGE.fullmatch(data.decode("utf-8"))
        assert found is not None, f"no RFC 5424 message: {data!r}"
        assert found["id"] == "quorate@32473"
        fields = {name: re.sub(r"\\([\"\\\]])", r"\1", value) for name, value in _PARAMETER.findall(found["sd"])}
        words = found["words"]
        assert words.isascii() or words.startswith("\ufeff")
        return cls(
            int(found["pri"]), found["time"], found["host"], found["app"], found["kind"], fields,
            words.removeprefix("\ufeff"),
        )  # fmt: skip


def journal_fields(data: bytes) -> dict[str, str]:
    """One datagram of systemd's native protocol."""
    fields, at = {}, 0
    while at < len(data):
        line = data.index(b"\n", at)
        name, has_value, value = data[at:line].partition(b"=")
        if has_value:
            at = line + 1
        else:
            (length,) = struct.unpack_from("<Q", data, line + 1)
            value = data[line + 9 : line + 9 + length]
            at = line + 9 + length + 1
        assert re.fullmatch(rb"[A-Z][A-Z0-9_]{0,63}", name), name
        fields[name.decode()] = value.decode()
    return fields


@dataclass
class _Server:
    """A socket and the thread that reads it."""

    raw: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ending = threading.Event()
        self.socket = self._open()
        self.socket.settimeout(0.1)
        self._thread = threading.Thread(target=self._serve, name="receiver")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    @property
    def messages(self) -> list[Syslog]:
        return [Syslog.parse(data) for data in list(self.raw)]

    @property
    def numbers(self) -> list[int]:
        """The events that came, in the order they came in."""
        return [int(each.fields["number"]) for each in self.messages if "number" in each.fields]

    def close(self) -> None:
        self._ending.set()
        self._thread.join(BOUND_S)
        self.socket.close()

    def _open(self) -> socket.socket:
        raise NotImplementedError

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                self.raw.append(self.socket.recv(65_536))
            except TimeoutError:
                continue


class UdpServer(_Server):
    def _open(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        return made


@dataclass
class JournalSocket(_Server):
    path: Path = Path("journal")

    @property
    def entries(self) -> list[dict[str, str]]:
        return [journal_fields(data) for data in list(self.raw)]

    def _open(self) -> socket.socket:
        self.path.unlink(missing_ok=True)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.bind(str(self.path))
        return made


@contextmanager
def closed_port(kind: socket.SocketKind) -> Iterator[int]:
    """A port where nobody answers, and which nobody else here is given meanwhile. A `TcpServer` may open it."""
    with socket.socket(socket.AF_INET, kind) as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_DGRAM:
            keeper.connect(keeper.getsockname())  # it hears itself alone: others are told that the port is closed
        yield int(keeper.getsockname()[1])


@dataclass
class TcpServer(_Server):
    """Reads frames with their length before them (RFC 6587), from one connection after another."""

    wanted_port: int = 0

    def _open(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", self.wanted_port))
        made.listen()
        return made

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                connection, _ = self.socket.accept()
            except TimeoutError:
                continue
            with connection:
                self._read(connection)

    def _read(self, connection: socket.socket) -> None:
        connection.settimeout(0.1)
        data = b""
        while not self._ending.is_set():
            try:
                more = connection.recv(65_536)
            except TimeoutError:
                continue
            except ConnectionError:
                return
            if not more:
                return
            data += more
            while found := re.match(rb"([1-9][0-9]{0,5}) ", data):
                end = found.end() + int(found[1])
                if len(data) < end:
                    break
                self.raw.append(data[found.end() : end])
                data = data[end:]
            assert re.match(rb"([1-9][0-9]{0,5} |[1-9][0-9]{0,5}\Z|\Z)", data), data[:50]
