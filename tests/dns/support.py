"""What the DNS tests share: one host's publication in a test's hands."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import dns.resolver

from quorate.clock import Clock, SystemClock, SystemEntropy
from quorate.core.events import HostEvent, PublicationFailed, PublicationSucceeded
from quorate.host.publication.name_servers import Names
from quorate.host.publication.publisher import DnsPublisher
from quorate.host.publication.settings import PublicationSettings, TsigKey
from tests.dns.servers import NameServer

__all__ = ["SECRET", "LateClock", "TextMemory", "World", "key_text", "names_at", "resolver_at", "resolver_nowhere"]

SECRET = base64.b64encode(b"a shared secret of 32 bytes, yes").decode("ascii")
OTHER_SECRET = base64.b64encode(b"quite another one, 32 bytes too!").decode("ascii")


def key_text(name: str = "kms", secret: str = SECRET, algorithm: str = "hmac-sha256") -> str:
    """A key as `nsupdate -y` takes it."""
    return f"{algorithm}:{name}:{secret}"


class LateClock(SystemClock):
    """The system's clock, wrong by a fixed number of seconds."""

    def __init__(self, off_s: int) -> None:
        self._off_s = off_s

    def now_s(self) -> int:
        return super().now_s() + self._off_s


class TextMemory:
    """A settings table with one row."""

    def __init__(self) -> None:
        self.text: str | None = None

    def get(self) -> str | None:
        return self.text

    def change(self, edit: Callable[[str | None], str]) -> None:
        self.text = edit(self.text)


def resolver_at(*servers: NameServer) -> dns.resolver.Resolver:
    """A resolver whose only servers are these; they must all have one port."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [server.address for server in servers]
    resolver.port = servers[0].port
    resolver.lifetime = 4
    return resolver


def resolver_nowhere() -> dns.resolver.Resolver:
    """A resolver without any server: it asks nobody."""
    return dns.resolver.Resolver(configure=False)


def names_at(server: NameServer, clock: Clock | None = None) -> Names:
    """Names as a machine sees them whose resolver is `server`, which is found by its SOA record too."""
    return Names(resolver_at(server), clock or SystemClock(), port=server.port, timeout_s=3.0)


@dataclass
class World:
    """One host and its publication; `events` is its event log."""

    names: Names
    clock: Clock = field(default_factory=SystemClock)
    memory: TextMemory = field(default_factory=TextMemory)
    events: list[HostEvent] = field(default_factory=list)

    def settings(
        self,
        values: Mapping[str, str] | None = None,
        *,
        key: str = "",
        machine: str = "kms01.corp.test",
        **more: object,
    ) -> PublicationSettings:
        settings = PublicationSettings.parse(values or {}, machine=machine)
        changes = {"tsig_key": TsigKey.parse(key) if key else None, **more}
        return _replaced(settings, changes)

    def publisher(self, settings: PublicationSettings) -> DnsPublisher:
        return DnsPublisher(
            settings,
            names=self.names,
            memory=self.memory,
            clock=self.clock,
            entropy=SystemEntropy(),
            record_event=self.events.append,
        )

    @property
    def failure(self) -> PublicationFailed:
        """The only event, which must be a failure."""
        (event,) = self.events
        assert isinstance(event, PublicationFailed), event
        return event

    @property
    def success(self) -> PublicationSucceeded:
        """The only event, which must be a success."""
        (event,) = self.events
        assert isinstance(event, PublicationSucceeded), event
        return event


def _replaced(settings: PublicationSettings, changes: Mapping[str, object]) -> PublicationSettings:
    fields: dict[str, object] = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    make: Callable[..., PublicationSettings] = PublicationSettings
    return make(**{**fields, **changes})
