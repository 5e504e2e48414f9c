"""GSS-TSIG (RFC 3645): a Kerberos context with the name server, as this computer, from its keytab, without kinit.

The only module that touches `gssapi` (extra `[ad]`). Two things are not as the RFC has them, on purpose:

- the key's name is one random label, which shares no suffix with any zone;
- a reply's signature is also accepted in the form of Samba before 4.21, which leaves out the two bytes that hold the
  length of the question's signature. Both forms need the session key.
"""

from __future__ import annotations

import importlib
import uuid
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TKEY
import dns.tsig

from quorate.clock import Clock, Entropy
from quorate.errors import (
    DnsPublicationError,
    DnsUpdatesNotOfferedError,
    GssapiNotInstalledError,
    KerberosCredentialsError,
    KerberosError,
    KerberosServerUnknownError,
)
from quorate.host.publication.keytab import principal_of
from quorate.host.publication.name_servers import Names, Primary
from quorate.host.publication.signature import Signature
from quorate.host.publication.tcp_exchange import Reply, Wire, read_reply
from quorate.host.publication.update_errors import clock_skew

gssapi: Any
_missing_reason = ""
try:
    gssapi = importlib.import_module("gssapi")
except (ImportError, OSError) as missing:  # the package is there, but not the Kerberos library under it
    gssapi, _missing_reason = None, str(missing)

__all__ = ["negotiate"]

LEGS_MAX = 4  # Samba and BIND need one; NTLM inside SPNEGO would need two
LIFETIME_S = 86_400
_SPNEGO, _KRB5 = "1.3.6.1.5.5.2", "1.2.840.113554.1.2.2"


def negotiate(keytab: Path, primary: Primary, names: Names, *, clock: Clock, entropy: Entropy) -> Signature:
    """A signature that `primary` accepts as the computer whose key is in `keytab`.

    Raises:
        GssapiNotInstalledError, FilePermissionsError, KerberosError and its kind, DnsClockSkewError,
        DnsUpdatesNotOfferedError (no GSS-TSIG there), DnsServerUnreachableError
    """
    if gssapi is None:
        raise GssapiNotInstalledError(reason=_missing_reason)
    principal = principal_of(keytab)
    context = _Context(keytab, principal, primary.service_host, entropy)
    key_name = dns.name.from_text(f"{uuid.UUID(bytes=entropy.token(16), version=4)}.")
    key = dns.tsig.Key(key_name, context, dns.tsig.GSS_TSIG)  # type: ignore[arg-type]  # dnspython takes a context here
    token = context.step(None)
    for _ in range(LEGS_MAX):
        question = _tkey_question(key_name, token, clock.now_s())
        data = names.send(primary.address, question)
        answer = _tkey_answer(read_reply(data, Wire(question), server=primary.server), primary)
        token = context.step(answer)
        if context.is_complete:
            _check_signed(read_reply(data, Wire(question, b"", key), server=primary.server), context, clock.now_s())
            return Signature("GSS-TSIG", principal, key, principal.rpartition("@")[2])
    raise context.error(f"no end after {LEGS_MAX} exchanges")


class _Context:
    """A security context with one name server; `get_signature` and `verify_signature` are what dnspython calls."""

    def __init__(self, keytab: Path, principal: str, server: str, entropy: Entropy) -> None:
        self._keytab, self._principal, self.server = keytab, principal, server
        # A new cache for each context: a ticket from before a change of group membership would still lack the group.
        # It lives in memory and is some kilobytes; there is one for each domain and day.
        cache = f"MEMORY:quorate-{entropy.token(8).hex()}"
        store = {"client_keytab": f"FILE:{keytab}", "ccache": cache}
        name = gssapi.Name(principal, gssapi.NameType.kerberos_principal)
        self._target = gssapi.Name(f"DNS@{server}", gssapi.NameType.hostbased_service)
        try:
            self._credentials = gssapi.Credentials(name=name, usage="initiate", store=store)
        except gssapi.exceptions.GSSError as fault:
            raise self._translated(fault) from None
        self._context = self._new(_SPNEGO)

    @property
    def is_complete(self) -> bool:
        return bool(self._context.complete)

    def step(self, token: bytes | None) -> bytes:
        """The next token to send; empty at the end.

        Raises:
            KerberosError and its kind.
        """
        try:
            return self._context.step(token) or b""
        except gssapi.exceptions.GSSError as fault:
            if token is not None:
                raise self._translated(fault) from None
        # SPNEGO hides the cause ("cannot find mechanisms to negotiate"); Kerberos alone tells it.
        self._context = self._new(_KRB5)
        try:
            return self._context.step(None) or b""
        except gssapi.exceptions.GSSError as fault:
            raise self._translated(fault) from None

    def get_signature(self, data: bytes) -> bytes:
        return bytes(self._context.get_signature(data))

    def verify_signature(self, data: bytes, signature: bytes) -> None:
        try:
            self._context.verify_signature(data, signature)
        except gssapi.exceptions.BadMICError:
            self._context.verify_signature(data[2:], signature)

    def error(self, reason: str) -> KerberosError:
        """What is wrong, with everything needed to try it by hand."""
        return KerberosError(server=self.server, keytab=self._keytab, principal=self._principal, reason=reason)

    def _new(self, mechanism: str) -> Any:
        flag = gssapi.RequirementFlag
        return gssapi.SecurityContext(
            name=self._target,
            creds=self._credentials,
            usage="initiate",
            mech=gssapi.OID.from_int_seq(mechanism),
            flags=flag.mutual_authentication | flag.replay_detection | flag.out_of_sequence_detection | flag.integrity,
        )

    def _translated(self, fault: Exception) -> KerberosError:
        # Minor codes differ between mechanisms and libraries; MIT's words have been the same for twenty years.
        text = str(fault)
        if "Server" in text and "not found in Kerberos database" in text:
            return KerberosServerUnknownError(server=self.server, reason=text)
        if any(words in text for words in _CREDENTIAL_WORDS):
            return KerberosCredentialsError(keytab=self._keytab, reason=text)
        return self.error(text)


_CREDENTIAL_WORDS = (
    "not found in Kerberos database",
    "No Kerberos credentials available",
    "Preauthentication failed",
    "Password incorrect",
    "credentials have been revoked",
    "has no support for encryption type",
    "Decrypt integrity check failed",
    "no credentials were supplied",
)


def _tkey_question(key_name: dns.name.Name, token: bytes, now_s: int) -> bytes:
    message = dns.message.make_query(key_name, dns.rdatatype.TKEY, dns.rdataclass.ANY)
    message.flags = dns.flags.Flag(0)
    tkey_class: Any = dns.rdtypes.ANY.TKEY.TKEY  # dnspython's record classes have no types
    gss_mode = tkey_class.GSSAPI_NEGOTIATION
    tkey = tkey_class(
        dns.rdataclass.ANY, dns.rdatatype.TKEY, dns.tsig.GSS_TSIG, now_s, now_s + LIFETIME_S, gss_mode, 0, token, b""
    )
    section = message.find_rrset(message.additional, key_name, dns.rdataclass.ANY, dns.rdatatype.TKEY, create=True)
    section.add(tkey)
    return message.to_wire()


def _tkey_answer(reply: Reply, primary: Primary) -> bytes:
    """The server's token.

    Raises:
        DnsUpdatesNotOfferedError: it does not do GSS-TSIG.
        DnsPublicationError: it reports another fault.
    """
    if reply.rcode in (dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.NOTAUTH, dns.rcode.FORMERR):
        zone = primary.zone.rstrip(".")
        raise DnsUpdatesNotOfferedError(server=primary.server, kind="GSS-TSIG", zone=zone, rcode=reply.rcode_text)
    for rrset in reply.message.answer:
        if rrset.rdtype == dns.rdatatype.TKEY:
            if rrset[0].error == 0:
                return bytes(rrset[0].key)
            reason = f"it rejected our Kerberos ticket (TKEY error {rrset[0].error})"
            raise DnsPublicationError(server=primary.server, name=primary.zone.rstrip("."), reason=reason)
    reason = f"it answered the key exchange with {reply.rcode_text} and no key"
    raise DnsPublicationError(server=primary.server, name=primary.zone.rstrip("."), reason=reason)


def _check_signed(reply: Reply, context: _Context, now_s: int) -> None:
    """The last reply of the exchange is signed with the new key; its time is the first that the server tells."""
    if reply.tsig_error == dns.rcode.BADTIME and reply.server_time_s is not None:
        raise clock_skew(context.server, host_s=now_s, server_s=reply.server_time_s)
    if reply.is_signed and not reply.is_verified:
        raise context.error(f"the reply to the key exchange is not right: {reply.fault}")
