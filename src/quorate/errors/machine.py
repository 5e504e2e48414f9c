"""This machine: its firewall, its service manager, slmgr's switches, and what a checkup finds."""

from __future__ import annotations

from quorate.errors.base import QuorateError
from quorate.errors.installing import pip_install


class FirewallNeedsRootError(QuorateError):
    code = "FIREWALL_NEEDS_ROOT"
    template = "only root may change this machine's firewall; nothing was changed"
    hint_template = "sudo {command} (or hand what `quorate host firewall` shows to whoever may)"


class FirewallFailedError(QuorateError):
    """A firewall's own program did not do what it was asked; several say so only in their words."""

    code = "FIREWALL_FAILED"
    template = "{tool} failed: {reason}"
    hint_template = (
        "The command was: {command}. What was done before it can be seen with `quorate host firewall`, and taken back "
        "with `quorate host firewall --disable`."
    )


class ListenSocketError(QuorateError):
    code = "LISTEN_SOCKET_UNUSABLE"
    template = "the socket from the service manager cannot be used: {reason}"
    hint_template = "In quorate-host.socket one `ListenStream=` line with a TCP port, and no `Accept=yes`."


class ServiceNeedsRootError(QuorateError):
    code = "SERVICE_NEEDS_ROOT"
    template = "only root may install or remove a service of this machine; nothing was changed"
    hint_template = "sudo {command} (with --dry-run it is only shown)"


class ServiceProgramHiddenError(QuorateError):
    """The program is where only its owner can go, and a service runs as another user."""

    code = "SERVICE_PROGRAM_HIDDEN"
    template = "a service could not run {program}: {reason}"
    hint_template = (
        "Install Quorate where every user may read it: python3 -m venv /opt/quorate && "
        f"/opt/quorate/bin/{pip_install('{extra}')}, then call /opt/quorate/bin/quorate."
    )


class ServiceManagerError(QuorateError):
    code = "SERVICE_MANAGER_FAILED"
    template = "{command} failed: {reason}"
    hint_template = "The unit files are written. See `systemctl status` and the journal, then run it again."


class MisusedError(QuorateError):
    """A command line that slmgr's grammar does not know; the exit code is 2."""

    code = "MISUSED"
    hresult = 0x80070057
    template = "{reason}"
    hint_template = "`quorate-slmgr /?` shows what there is."


class WrongRoleError(QuorateError):
    """A switch for the other kind of machine."""

    code = "WRONG_ROLE"
    template = "{switch} is for a KMS {wanted}, and this machine is {found}"
    hint_template = "{next_step}"


class HostKeyOnClientError(QuorateError):
    """What costs activations in the field: a host key typed on an ordinary machine."""

    code = "HOST_KEY_ON_CLIENT"
    template = "a host key makes a machine a KMS host, and this machine is only a KMS client; nothing was installed"
    hint_template = (
        "A client needs no key: `quorate-slmgr /ato` activates it. If this machine is to be the KMS host, make it one "
        "first: `quorate host init --product FILE.product --trust publisher.jwks`."
    )


class PublisherUnknownError(QuorateError):
    """slmgr `/ato` on a KMS host that was never told where its publisher is."""

    code = "PUBLISHER_UNKNOWN"
    template = "this KMS host is not activated, and knows no activation service of its publisher"
    hint_template = (
        "Name it once: `quorate host set publisher-url URL`; then `quorate-slmgr /ato`. Or without a network: "
        "`quorate-slmgr /dti` prints the request, and `quorate-slmgr /atp FILE.cert` takes the publisher's answer."
    )


class AccessDeniedError(QuorateError):
    code = "ACCESS_DENIED"
    hresult = 0x80070005
    template = "{path} belongs to {owner}, and you may not use it"
    hint_template = "Run it as that user: `sudo -u {owner} {command}`."


class RemoteUnreachableError(QuorateError):
    """Administration of another machine; slmgr's "error 0x800706BA in connecting to server"."""

    code = "REMOTE_UNREACHABLE"
    hresult = 0x800706BA
    template = "administration of {host} cannot be reached: {reason}"
    hint_template = (
        "On that machine: is `quorate host run` running, and does administration listen for others? It is on loopback "
        "unless `quorate host set admin-address ADDRESS` opens it; a tunnel does without: `ssh -L {port}:127.0.0.1:"
        "{port} USER@HOST`, then `quorate-slmgr localhost:{port} admin TOKEN /dlv`."
    )


class HostNotRunningError(QuorateError):
    code = "HOST_NOT_RUNNING"
    template = "no process runs the KMS host of {path}, so clients get no answer"
    hint_template = (
        "`quorate host run`; as a service `systemctl enable --now quorate-host`, and `journalctl -u quorate-host` "
        "tells why it ended."
    )


class FirewallClosedError(QuorateError):
    code = "FIREWALL_CLOSED"
    template = "{firewall} keeps clients out: TCP port {port} has no exception"
    hint_template = "`sudo quorate host firewall --enable`"


class FileOwnerError(QuorateError):
    """The classic after one command as root: the service cannot use what root has made."""

    code = "FILE_OWNER"
    template = "{path} belongs to {owner}, and the host to {wanted}"
    hint_template = "`sudo chown {wanted}: {path}`"
