"""Publishing the SRV record in DNS; event 12293 carries one of these."""

from __future__ import annotations

from quorate.errors.base import QuorateError
from quorate.errors.installing import pip_install


class DnsPublicationError(QuorateError):
    """An update that failed for a cause that has no class of its own; the base of those that have one."""

    code = "DNS_PUBLICATION_FAILED"
    hresult = 0x80004005
    template = "name server {server} did not take the update of {name}: {reason}"
    hint_template = "Look into the name server's log; or add the record by hand: `quorate host dns record`."


class DnsHostNameNotQualifiedError(DnsPublicationError):
    code = "DNS_HOST_NAME_NOT_QUALIFIED"
    template = "this machine's name is {target!r}, without a domain: clients elsewhere could not find it"
    hint_template = "Give its full name: `quorate host set dns-target NAME.DOMAIN`."


class DnsTargetNoAddressError(DnsPublicationError):
    code = "DNS_TARGET_NO_ADDRESS"
    template = "{target} has no address in DNS ({reason}), so an SRV record that names it would lead nowhere"
    hint_template = (
        "Add an A or AAAA record for it, or publish another name: `quorate host set dns-target NAME.DOMAIN`."
    )


class DnsTargetIsAliasError(DnsPublicationError):
    """RFC 2782: the target must not be an alias."""

    code = "DNS_TARGET_IS_ALIAS"
    template = "{target} is an alias (CNAME) of {canonical}; an SRV record must name the machine itself (RFC 2782)"
    hint_template = "`quorate host set dns-target {canonical}`"


class DnsZoneNotFoundError(DnsPublicationError):
    code = "DNS_ZONE_NOT_FOUND"
    hresult = 0x8007232B
    template = "no zone was found that could hold {name}: {reason}"
    hint_template = (
        "Check this machine's DNS settings and the domain; "
        "or name the primary server: `quorate host set dns-server NAME`."
    )


class DnsServerUnreachableError(DnsPublicationError):
    """Names every address tried, each with its reason."""

    code = "DNS_SERVER_UNREACHABLE"
    hresult = 0x800705B4
    template = "name server {server} cannot be reached by TCP: {tried}"
    hint_template = (
        "Is it running, and does the firewall let TCP 53 through? Updates are always sent by TCP. "
        "Or name another server: `quorate host set dns-server NAME`."
    )


class DnsNotPrimaryError(DnsPublicationError):
    code = "DNS_NOT_PRIMARY"
    hresult = 0x80072331
    template = "name server {server} is not the primary of the zone that holds {name}: {reason}"
    hint_template = "Name the server that takes updates: `quorate host set dns-server NAME`{primary}."


class DnsUpdatesNotOfferedError(DnsPublicationError):
    code = "DNS_UPDATES_NOT_OFFERED"
    hresult = 0x8007232C
    template = "name server {server} takes no {kind} update of zone {zone} ({rcode})"
    hint_template = (
        "Allow it there, give this host what the zone asks for (`quorate host set dns-tsig-key FILE` or `dns-keytab "
        "FILE`), or add the record by hand: `quorate host dns record`."
    )


class DnsKeyRefusedError(DnsPublicationError):
    code = "DNS_KEY_REFUSED"
    hresult = 0x80072338
    template = "name server {server} does not accept TSIG key {key}: {reason}"
    hint_template = (
        "Name, algorithm and secret must be the same on both sides. Copy the key file from the name server again, then "
        "`quorate host set dns-tsig-key FILE`."
    )


class DnsClockSkewError(DnsPublicationError):
    """A signed update carries its time; name servers allow 5 minutes."""

    code = "DNS_CLOCK_SKEW"
    hresult = 0x8007233A
    template = "this host's clock shows {host_time}, name server {server} shows {server_time}: {difference} apart"
    hint_template = "Set the clock that is wrong; signed updates allow a difference of {fudge_s} s."


class DnsNoRightError(DnsPublicationError):
    code = "DNS_NO_RIGHT"
    hresult = 0x8007232D
    template = "name server {server} does not let {who} change {name} ({rcode})"
    hint_template = "Grant it there, in BIND: {grant}"


class DnsRecordOwnedByAnotherError(DnsNoRightError):
    """In Active Directory the first computer account that publishes a name owns it, even after it has withdrawn."""

    code = "DNS_RECORD_OWNED_BY_ANOTHER"
    template = (
        "name server {server} does not let {who} change {name} ({rcode}): "
        "in Active Directory it belongs to the computer that published it first ({holders})"
    )
    hint_template = "Once, as domain administrator, give a group of all KMS hosts the right on it:\n{remedy}"


class DnsRecordNotThereError(DnsPublicationError):
    code = "DNS_RECORD_NOT_THERE"
    template = "name server {server} said {rcode}, but asked again it does not show what was written: {reason}"
    hint_template = "Look into the name server's log; another program may be changing {name} as well."


class KerberosError(DnsPublicationError):
    """Kerberos said no; its own words are in the message."""

    code = "KERBEROS_FAILED"
    template = "Kerberos did not let this host talk to name server {server}: {reason}"
    hint_template = "Try by hand: `kinit -k -t {keytab} '{principal}'`, then `kvno DNS/{server}`."


class KerberosCredentialsError(KerberosError):
    code = "KERBEROS_NO_CREDENTIALS"
    template = "no Kerberos ticket with keytab {keytab}: {reason}"
    hint_template = (
        "The keytab must hold this computer's own key (NAME$@REALM), as the domain knows it now. Make it again: "
        "`adcli update`, `net ads keytab create`, or `samba-tool domain exportkeytab`."
    )


class KerberosServerUnknownError(KerberosError):
    code = "KERBEROS_SERVER_UNKNOWN"
    template = "the realm knows no service DNS/{server}: {reason}"
    hint_template = (
        "Set the name server by its full name, as its SOA record has it: `quorate host set dns-server NAME`."
    )


class MdnsAnnouncementError(QuorateError):
    code = "MDNS_NOT_ANNOUNCED"
    template = "this host could not be announced by multicast DNS: {reason}"
    hint_template = (
        f"It needs the Python package zeroconf and an IPv4 network that lets multicast through (UDP 5353): "
        f"{pip_install('mdns')}. Or do without: `quorate host set mdns off`."
    )


class GssapiNotInstalledError(DnsPublicationError):
    code = "GSSAPI_NOT_INSTALLED"
    template = "secure updates (GSS-TSIG) need the Python package gssapi, which is not usable here: {reason}"
    hint_template = f"{pip_install('ad')}; before: apt install gcc libkrb5-dev, for the Kerberos headers"


# --- what is found when the records are looked at: `quorate host dns check`, `quorate doctor` ------------------------


class RecordMissingError(QuorateError):
    """Clients that have never asked a host find none."""

    code = "NOT_PUBLISHED"
    template = "this host's record is missing: {record}"
    hint_template = "`quorate host dns publish`, or by hand as `quorate host dns record` prints it"


class RecordNotSeenYetError(QuorateError):
    code = "NOT_SEEN_YET"
    template = "this host's record is at the primary {server}, but this machine's resolver does not see it yet"
    hint_template = "Wait for the resolver's cache and for secondaries; if it stays, compare the zone's serial on them."


class RecordsTooManyError(QuorateError):
    """Every record of the name is tried, up to a bound."""

    code = "TOO_MANY_RECORDS"
    template = "{left} more records were not tried"
    hint_template = "Remove those whose hosts are gone, then check again: `quorate host dns check`."


class RecordDeniesServiceError(QuorateError):
    """RFC 2782: the target `.`."""

    code = "SERVICE_DENIED"
    template = "{record} says that there is no KMS host here (RFC 2782), and clients believe it"
    hint_template = "Remove the record: `{removal}` in nsupdate"


class RecordPortError(QuorateError):
    code = "WRONG_PORT"
    template = "{record} names this host with port {shown}; it listens on {wanted}"
    hint_template = "Remove the record: `{removal}` in nsupdate"


class RecordStaleError(QuorateError):
    code = "STALE_VALUE"
    template = "{record} names this host with another priority or weight than its settings ({wanted})"
    hint_template = "Remove the record: `{removal}` in nsupdate"


class RecordDeadError(QuorateError):
    """Each client that tries it loses a timeout there."""

    code = "DEAD_TARGET"
    template = "{record} is dead: {tried}"
    hint_template = "Start it, or, if that host is gone for good, remove the record: `{removal}` in nsupdate"


class RecordOfAnotherHostError(QuorateError):
    code = "ANOTHER_HOST_ANSWERS"
    template = "{record} is this host's name, but KMS host {host_id} answers there"
    hint_template = (
        "Two machines share an address or a name: look at the A and AAAA records of the name, or give this host "
        "another one: `quorate host set dns-target NAME.DOMAIN`."
    )
