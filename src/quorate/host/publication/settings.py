"""What is published, where, and with which right: the settings of DNS publication, checked when they are made.

`dns-domains` has the form that administrators know from `DnsDomainPublishList`: one domain a line (or between
semicolons), `domain, priority, weight`, the two numbers optional. The host's own domain is always published to as well.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.inet
import dns.name
import dns.tsig

from quorate.core.filekinds import FileKind, given_as
from quorate.errors import DnsHostNameNotQualifiedError, InvalidSettingError, QuorateError
from quorate.files import read_secret
from quorate.host.publication.record import SrvRecord, full_name

__all__ = ["Domain", "PublicationSettings", "ServerAddress", "TsigKey", "parse_domains"]

DOMAINS_MAX = 32  # each costs a few exchanges with a name server, one after the other
SERVICES_MAX = 16
_SERVICE = re.compile(r"_[a-z0-9-]{1,15}\._tcp\Z")


@dataclass(frozen=True)
class Domain:
    """One domain to publish to. `name` is absolute; clients try the lowest priority first, then draw by weight."""

    name: str
    priority: int = 0
    weight: int = 0


@dataclass(frozen=True)
class ServerAddress:
    """A name server set by hand: a name or an IP address, and its port."""

    host: str
    port: int = 53

    @classmethod
    def parse(cls, text: str) -> ServerAddress:
        """`NAME`, `NAME:PORT`, `1.2.3.4:PORT`, `2001:db8::1`, `[2001:db8::1]:PORT`.

        Raises:
            InvalidSettingError: anything else.
        """
        host, port = text.strip(), "53"
        if bracketed := re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", host):
            host, port = bracketed[1], bracketed[2] or port
        elif host.count(":") == 1:
            host, port = host.split(":")
        is_address = dns.inet.is_address(host)
        try:
            if not is_address:
                host = full_name(host)
            if not 1 <= int(port) <= 65_535:
                raise ValueError(f"{port} is not a port")
        except ValueError as fault:
            raise _invalid("dns-server", str(fault), "NAME, NAME:PORT or an IP address") from None
        return cls(host, int(port))

    def __str__(self) -> str:
        """As `parse` takes it."""
        host = self.host.rstrip(".")
        return host if self.port == 53 else f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


@dataclass(frozen=True, repr=False)
class TsigKey:
    """A shared secret with a name server (RFC 8945). Its `repr` shows the name only."""

    key: dns.tsig.Key

    @property
    def name(self) -> str:
        return self.key.name.to_text().rstrip(".")

    @property
    def algorithm(self) -> str:
        return self.key.algorithm.to_text().rstrip(".").lower()

    @classmethod
    def parse(cls, text: str) -> TsigKey:
        """A BIND `key` clause as `tsig-keygen` prints it, or `[algorithm:]name:secret` as `nsupdate -y` takes it.

        Raises:
            InvalidSettingError: anything else; the secret is never repeated.
        """
        clause = re.search(r'key\s+"?([^"\s{]+)"?\s*\{(.*?)\}', text, re.DOTALL)
        if clause:
            fields = dict(re.findall(r'(algorithm|secret)\s+"?([^"\s;]+)"?\s*;', clause[2]))
            name, algorithm, secret = clause[1], fields.get("algorithm", ""), fields.get("secret", "")
        else:
            parts = text.strip().split(":")
            if len(parts) not in (2, 3):
                raise _invalid("dns-tsig-key", "it is neither a BIND key clause nor algorithm:name:secret", _KEY_HELP)
            name, secret = parts[-2:]
            algorithm = parts[0] if len(parts) == 3 else "hmac-sha256"
        known = {one.to_text().rstrip(".").lower(): one for one in dns.tsig.mac_sizes if one != dns.tsig.GSS_TSIG}
        wanted = known.get(algorithm.lower().rstrip("."))
        if wanted is None:
            raise _invalid(
                "dns-tsig-key", f"algorithm {algorithm!r} is not known", f"Known: {', '.join(sorted(known))}."
            )
        try:
            raw = base64.b64decode(secret, validate=True)
            key = dns.tsig.Key(dns.name.from_text(full_name(name)), raw, wanted)
        except ValueError as fault:
            reason = "its secret is not base64" if isinstance(fault, binascii.Error) else str(fault)
            raise _invalid("dns-tsig-key", reason, _KEY_HELP) from None
        if not raw:
            raise _invalid("dns-tsig-key", "its secret is empty", _KEY_HELP)
        return cls(key)

    @classmethod
    def read(cls, path: Path) -> TsigKey:
        """The key in a file that only its owner may read.

        Raises:
            FilePermissionsError, FileAccessError, MalformedError: as `quorate.files.read_secret`.
            InvalidSettingError: it holds no key.
        """
        return cls.parse(given_as(read_secret(path), FileKind.TSIG_KEY, path).decode("utf-8", "replace"))

    def __repr__(self) -> str:
        return f"TsigKey({self.name})"


_KEY_HELP = "A file as `tsig-keygen -a hmac-sha256 NAME` prints it, mode 0600."


@dataclass(frozen=True)
class PublicationSettings:
    """Everything DNS publication needs to know.

    Attributes:
        target: this host's own full name, as clients shall reach it.
        port: the port it listens on.
        domains: where to publish, the host's own domain first.
        services: service labels of the products served.
        enabled: S28, on by default.
        server: the server to update; None means the one in the zone's SOA record.
        tsig_key: sign updates with this shared secret.
        tsig_key_file: the same, read from this file whenever it is used: a key that was exchanged is the new one.
        keytab: sign updates with GSS-TSIG, as the computer whose key is in this file.
        machine_keytab: tried when neither is set and an unsigned update is refused (a domain member has one).
        withdraw_on_stop: take the record away at a clean stop. Off for restarts, on when the service is removed.
        fault: why nothing can be published with these; `records` raises it.
    """

    target: str
    port: int = 1688
    domains: tuple[Domain, ...] = ()
    services: tuple[str, ...] = ("_quorate._tcp",)
    ttl: int = 3600
    enabled: bool = True
    server: ServerAddress | None = None
    tsig_key: TsigKey | None = None
    tsig_key_file: Path | None = None
    keytab: Path | None = None
    machine_keytab: Path | None = None
    withdraw_on_stop: bool = False
    fault: QuorateError | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_number("port", self.port, 1, 65_535)
        _check_number("dns-ttl", self.ttl, 60, 604_800)
        if (self.tsig_key or self.tsig_key_file) is not None and self.keytab is not None:
            raise _invalid("dns-keytab", "a TSIG key is set as well", "Set one of dns-tsig-key and dns-keytab.")
        _check_domains(self.domains)
        if not 1 <= len(self.services) <= SERVICES_MAX or not all(_SERVICE.match(each) for each in self.services):
            raise _invalid("service", f"{', '.join(self.services)}", "A label such as _quorate._tcp, 16 at most.")

    @classmethod
    def parse(
        cls,
        values: Mapping[str, str],
        *,
        machine: str,
        services: tuple[str, ...] = ("_quorate._tcp",),
        machine_keytab: Path | None = None,
    ) -> PublicationSettings:
        """Settings from their text, by the names `quorate host set` knows (`DEFAULTS` lists them).

        Args:
            machine: this machine's own full name; `dns-target` overrides it. Without a domain in it the settings are
                made all the same (a service must start), and `records` says what is missing.

        Raises:
            InvalidSettingError: with the setting's name. Files are not read here, but when they are used.
        """
        text = {**DEFAULTS, **{name: value for name, value in values.items() if value != ""}}
        try:
            target = full_name(text["dns-target"] or machine)
        except ValueError as fault:
            raise _invalid("dns-target", str(fault), "This host's full name, kms01.example.com.") from None
        priority, weight = (_number(name, text[name], 0, 65_535) for name in ("dns-priority", "dns-weight"))
        own = target.split(".", 1)[1]
        domains = parse_domains(text["dns-domains"])
        if own and own not in {each.name for each in domains}:
            domains = (Domain(own, priority, weight), *domains)
        return cls(
            target=target,
            port=_number("port", text["port"], 1, 65_535),
            domains=domains,
            services=services,
            ttl=_number("dns-ttl", text["dns-ttl"], 60, 604_800),
            enabled=_switch("dns-publishing", text["dns-publishing"]),
            server=ServerAddress.parse(text["dns-server"]) if text["dns-server"] else None,
            tsig_key_file=Path(text["dns-tsig-key"]) if text["dns-tsig-key"] else None,
            keytab=Path(text["dns-keytab"]) if text["dns-keytab"] else None,
            machine_keytab=machine_keytab,
            withdraw_on_stop=_switch("dns-withdraw-on-stop", text["dns-withdraw-on-stop"]),
        )

    def records(self) -> tuple[tuple[Domain, SrvRecord], ...]:
        """What is to stand in DNS, each with its domain.

        Raises:
            DnsHostNameNotQualifiedError: the host's name has no domain in it.
            QuorateError: the `fault` that these settings have.
        """
        if self.fault is not None:
            raise self.fault
        if self.target.count(".") < 2:
            raise DnsHostNameNotQualifiedError(target=self.target.rstrip("."))
        return tuple(
            (
                domain,
                SrvRecord(
                    name=f"{service}.{domain.name}",
                    target=self.target,
                    port=self.port,
                    priority=domain.priority,
                    weight=domain.weight,
                    ttl=self.ttl,
                ),
            )
            for domain in self.domains
            for service in self.services
        )


DEFAULTS = {
    "port": "1688",
    "dns-publishing": "on",
    "dns-target": "",
    "dns-domains": "",
    "dns-priority": "0",
    "dns-weight": "0",
    "dns-ttl": "3600",
    "dns-server": "",
    "dns-tsig-key": "",
    "dns-keytab": "",
    "dns-withdraw-on-stop": "off",
}
"""The settings by the name people type, with the text of their default."""


def parse_domains(text: str) -> tuple[Domain, ...]:
    """The domains in a list such as `corp.example; lab.example, 10, 5`.

    Raises:
        InvalidSettingError: which entry, and why.
    """
    domains = []
    for entry in filter(str.strip, re.split(r"[;\n\r]+", text)):
        name, *numbers = (part.strip() for part in entry.split(","))
        if len(numbers) > 2:
            raise _invalid("dns-domains", f"{entry.strip()!r} has more than three parts", _DOMAIN_HELP)
        try:
            full = full_name(name)
        except ValueError as fault:
            raise _invalid("dns-domains", str(fault), _DOMAIN_HELP) from None
        priority, weight = (_number("dns-domains", number, 0, 65_535) for number in (*numbers, "0", "0")[:2])
        domains.append(Domain(full, priority, weight))
    _check_domains(domains)
    return tuple(domains)


_DOMAIN_HELP = "`domain` or `domain, priority, weight`, entries between semicolons or on lines of their own."


def _check_domains(domains: Sequence[Domain]) -> None:
    if len(domains) > DOMAINS_MAX or len({each.name for each in domains}) != len(domains):
        raise _invalid("dns-domains", "a domain stands twice, or there are too many", f"At most {DOMAINS_MAX}.")


def _number(name: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _invalid(name, f"{text!r} is not a whole number", f"{low}..{high}")
    _check_number(name, int(text), low, high)
    return int(text)


def _check_number(name: str, number: int, low: int, high: int) -> None:
    if not low <= number <= high:
        raise _invalid(name, f"{number} is outside {low}..{high}", f"{low}..{high}")


def _switch(name: str, text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise _invalid(name, f"{text!r} is neither on nor off", "on or off")
    return text.lower() == "on"


def _invalid(name: str, reason: str, allowed: str) -> InvalidSettingError:
    return InvalidSettingError(name=name, reason=reason, allowed=allowed)
