"""What a client meets on its way to a host."""

from __future__ import annotations

from quorate.errors.base import QuorateError
from quorate.errors.installing import pip_install


class DnsNameDoesNotExistError(QuorateError):
    """S27: no SRV record and no host set."""

    code = "DNS_NAME_DOES_NOT_EXIST"
    hresult = 0x8007232B
    template = "no KMS host is known: {reason}"
    hint_template = (
        "Let the host publish itself (on the host: `quorate host dns publish`) or add the record by hand (`quorate "
        "host dns record` prints it); or point this client at a host: `quorate client set-host NAME[:PORT]`. Every "
        "step: `quorate client discover --explain`."
    )


class DnsServerFailureError(QuorateError):
    code = "DNS_SERVER_FAILURE"
    hresult = 0x8007232A
    template = "the name server failed: {reason}"
    hint_template = "Check this machine's DNS settings and the name server."


class MdnsNotInstalledError(QuorateError):
    code = "MDNS_NOT_INSTALLED"
    template = "looking on the local link (mDNS) needs the Python package zeroconf, which is not installed"
    hint_template = f"{pip_install('mdns')}; or do without: `quorate client set-mdns off`."


class HostUnreachableError(QuorateError):
    """S31: names every target tried, each with its reason."""

    code = "HOST_UNREACHABLE"
    hresult = 0xC004F074
    template = "no KMS host could be reached: {tried}"
    hint_template = (
        "On the host: is `quorate host run` running, and does the firewall let TCP {port} in? "
        "From here: is the name right, and does it resolve?"
    )


class NotAQuorateHostError(QuorateError):
    code = "NOT_A_QUORATE_HOST"
    template = "{host} answered, but not as a KMS host: {reason}"
    hint_template = "Another service listens there. Check the name and the port."
