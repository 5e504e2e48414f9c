"""The SRV record of one host in one domain (RFC 2782): a value that can be written, compared and remembered."""

from __future__ import annotations

from typing import Annotated

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.IN.SRV
import msgspec
from msgspec import Meta

from quorate.core.messages import decode_strict, encode

__all__ = ["SrvRecord", "decode_records", "encode_records"]

_Name = Annotated[str, Meta(min_length=1, max_length=255)]
_Short = Annotated[int, Meta(ge=0, le=65_535)]
RECORDS_MAX = 512  # remembered at once; domains times services, old and new, is far below


class SrvRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`name` and `target` are absolute, lower case, with the final dot; `ttl` is in seconds."""

    name: _Name
    target: _Name
    port: _Short
    priority: _Short = 0
    weight: _Short = 0
    ttl: Annotated[int, Meta(ge=0, le=604_800)] = 3600

    @property
    def value(self) -> str:
        """What stands after `SRV`: priority, weight, port, target."""
        return f"{self.priority} {self.weight} {self.port} {self.target}"

    @property
    def line(self) -> str:
        """The record as a zone file has it."""
        return f"{self.name} {self.ttl} IN SRV {self.value}"

    @property
    def owner(self) -> dns.name.Name:
        """`name` for dnspython."""
        return dns.name.from_text(self.name)

    @property
    def rdata(self) -> dns.rdata.Rdata:
        """The value for dnspython. Compares without regard to case, as DNS does."""
        return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.SRV, self.value)

    @property
    def is_nowhere(self) -> bool:
        """Whether it says that the service is decidedly not offered here (RFC 2782: target is the root)."""
        return self.target == "."

    def same_value(self, other: SrvRecord) -> bool:
        """Whether both are one record to a name server, which keeps no two that differ in TTL only."""
        return (self.name, self.value) == (other.name, other.value)

    @classmethod
    def of(cls, owner: dns.name.Name, rdata: dns.rdtypes.IN.SRV.SRV, ttl: int) -> SrvRecord:
        """A record as a name server shows it."""
        return cls(
            name=owner.to_text().lower(),
            target=rdata.target.to_text().lower(),
            port=rdata.port,
            priority=rdata.priority,
            weight=rdata.weight,
            ttl=min(ttl, 604_800),
        )


_decoder = msgspec.json.Decoder(Annotated[tuple[SrvRecord, ...], Meta(max_length=RECORDS_MAX)])


def encode_records(records: tuple[SrvRecord, ...]) -> str:
    """Records as JSON text, to be remembered."""
    return encode(records).decode("utf-8")


def decode_records(text: str) -> tuple[SrvRecord, ...]:
    """The records in `text`.

    Raises:
        MalformedError: anything else.
    """
    return decode_strict(_decoder, text.encode("utf-8"), "what was published last")
