"""Everything that can go wrong, in one file: a stable code, the values that matter, and the next step.

An error is raised with its values by name, `CountInsufficientError(count=7, threshold=25, window_days=30)`, and
formats its own message and hint from them. `code` is what scripts hold on to; `hresult` is the number that Microsoft's
tools show for the same cause, where there is one; `http_status` is what a host answers with when it cannot sign the
refusal. The table in `docs/reference/errors.md` is generated from these classes.

Two families from the reader's view: `RefusedError` is a host's considered "no" (exit code 3), everything else is a
fault to be mended (exit code 1).
"""

from __future__ import annotations

from typing import ClassVar


class QuorateError(Exception):
    """The base of all. Never raised itself.

    Attributes:
        code: stable name, upper case, never reused for another cause.
        hresult: Microsoft's number for the same cause, or None.
        http_status: status of the RFC 9457 problem that carries it, when a host answers with one.
        values: what the message was made from.
        message, hint: for people; their wording may change.
    """

    code: ClassVar[str] = "QUORATE_ERROR"
    hresult: ClassVar[int | None] = None
    http_status: ClassVar[int] = 500
    template: ClassVar[str] = "unexpected error"
    hint_template: ClassVar[str] = "Please report this with the command that led here."

    def __init__(self, **values: object) -> None:
        self.values = values
        self.message = self.template.format(**values)
        self.hint = self.hint_template.format(**values)
        super().__init__(self.message)

    @property
    def hresult_text(self) -> str | None:
        """`0xC004F038` style, or None."""
        return None if self.hresult is None else f"0x{self.hresult:08X}"

    @classmethod
    def carried(cls, message: str, hint: str) -> QuorateError:
        """The same error as another machine told it: its words, our class."""
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        error.values, error.message, error.hint = {}, message, hint
        return error


class RefusedError(QuorateError):
    """A host that understood the question said no."""

    http_status = 200


# --- refusals and faults of an activation host --------------------------------------------------------------------


class CountInsufficientError(RefusedError):
    """S9: fewer machines than the activation threshold. State unchanged; asking is contributing."""

    code = "COUNT_INSUFFICIENT"
    hresult = 0xC004F038
    template = "activation count {count} of {threshold}"
    hint_template = (
        "{missing} more must contact this host within {window_days} days. "
        "This client asks again by itself; nothing needs to be done here."
    )

    def __init__(self, *, count: int, threshold: int, window_days: int = 30) -> None:
        missing = max(threshold - count, 0)
        machines = "1 machine" if missing == 1 else f"{missing} machines"
        super().__init__(count=count, threshold=threshold, missing=machines, window_days=window_days)


class HostNotActivatedError(RefusedError):
    code = "HOST_NOT_ACTIVATED"
    hresult = 0xC004F041
    http_status = 503
    template = "this KMS host is not activated"
    hint_template = (
        "On the host: `quorate host install-key KEY`, `quorate host request -o FILE.req`, let the publisher confirm "
        "it, then `quorate host activate --confirmation FILE.cert`."
    )


class ProductNotCoveredError(RefusedError):
    code = "PRODUCT_NOT_COVERED"
    hresult = 0xC004F042
    template = "this KMS host does not serve edition {edition}"
    hint_template = (
        "Ask the publisher for a host key of the product's group, or add the product file to the host: "
        "`quorate host add-product FILE.product`."
    )


class ClockSkewError(RefusedError):
    """Clocks more than the tolerance apart; both times are shown, in UTC."""

    code = "CLOCK_SKEW"
    hresult = 0xC004F06C
    template = "clocks differ by {difference}: host {host_time}, client {client_time} (tolerance {tolerance})"
    hint_template = "Set the clock of the machine that is wrong (time zone does not matter), then try again."


class CmidSupersededError(RefusedError):
    """The lease behind this CMID was renewed by another machine: this one is a copy, and takes a CMID of its own."""

    code = "CMID_SUPERSEDED"
    template = "another machine has gone on with CMID {cmid}: this one was copied from it, or it from this one"
    hint_template = "The client takes a new CMID and asks again by itself; nothing needs to be done here."


class RateLimitedError(RefusedError):
    code = "RATE_LIMITED"
    http_status = 429
    template = "too many requests from here; retry in {retry_after_s} s"
    hint_template = "Wait; the client does so by itself."


class HostBusyError(RefusedError):
    """The queue before the disk is full. Bounded on purpose: a stalled disk must not eat the memory."""

    code = "HOST_BUSY"
    http_status = 503
    template = "this KMS host has {waiting} requests waiting and takes no more; retry in {retry_after_s} s"
    hint_template = (
        "Wait; the client does so by itself. If it stays: look at the host's disk and `quorate host status`."
    )


class StoreUnavailableError(RefusedError):
    """The database cannot be written: disk full, locked, read-only. The host recovers by itself."""

    code = "STORE_UNAVAILABLE"
    http_status = 503
    template = "this KMS host cannot write its records: {reason}; retry in {retry_after_s} s"
    hint_template = "On the host: free disk space, or end what locks {path}. The host recovers by itself."


class HostStoppingError(RefusedError):
    code = "HOST_STOPPING"
    http_status = 503
    template = "this KMS host is stopping; retry in {retry_after_s} s"
    hint_template = "Wait; the client does so by itself."


class PublisherUnavailableError(QuorateError):
    """Something failed on the publisher's side; its log has the rest."""

    code = "PUBLISHER_UNAVAILABLE"
    http_status = 503
    template = "the publisher's activation service cannot answer now; retry in {retry_after_s} s"
    hint_template = "Try again later. If it stays, tell the publisher; a request file can be confirmed by mail."


class InternalFaultError(QuorateError):
    code = "INTERNAL_FAULT"
    http_status = 500
    template = "the KMS host met an unexpected fault"
    hint_template = "Look into the host's log for the entry of this moment, and please report it."


class MalformedError(QuorateError):
    """Bytes that are not what they should be. Nothing else may escape a decoder, whatever the bytes."""

    code = "MALFORMED_DOCUMENT"
    http_status = 400
    template = "{what}: {reason}"
    hint_template = "The file is damaged or of another kind. Copy it again from where it was made."


class TextDamagedError(MalformedError):
    """A document as text that lost or changed something on its way through mail, copy and paste."""

    code = "TEXT_DAMAGED"
    template = "{what}: the text is damaged: {reason}"
    hint_template = "Copy it again, whole, from the BEGIN line to the END line; or send the file itself."


class TextForeignError(MalformedError):
    """Text that is well, but is another document or none of ours."""

    code = "TEXT_FOREIGN"
    template = "{what}: {reason}"
    hint_template = "Nothing is damaged; it is another text. Look for the lines BEGIN QUORATE {wanted} to END."


class MalformedRequestError(MalformedError):
    code = "MALFORMED_REQUEST"
    http_status = 400
    template = "malformed request: {reason}"
    hint_template = "The request does not follow protocol version 1; update the client."


class UnsupportedVersionError(MalformedError):
    code = "UNSUPPORTED_VERSION"
    http_status = 400
    template = "protocol version {version} is not known here; known: 1"
    hint_template = "Update the older side."


class RequestTooLargeError(QuorateError):
    code = "REQUEST_TOO_LARGE"
    http_status = 413
    template = "the request has more than {body_bytes_max} bytes"
    hint_template = "An activation request is a few hundred bytes; this was something else."


class RequestTimeoutError(QuorateError):
    code = "REQUEST_TIMEOUT"
    http_status = 408
    template = "the request did not arrive within {timeout_s} s"
    hint_template = "Look at the network between client and host."


class NotFoundError(QuorateError):
    code = "NOT_FOUND"
    http_status = 404
    template = "there is nothing at {path}"
    hint_template = "Clients use POST /v1/activate; see spec/protocol.md."


class MethodNotAllowedError(QuorateError):
    code = "METHOD_NOT_ALLOWED"
    http_status = 405
    template = "{path} takes {allowed}"
    hint_template = "See spec/protocol.md."


class UnauthorizedError(QuorateError):
    code = "UNAUTHORIZED"
    http_status = 401
    template = "the administration token is missing or wrong"
    hint_template = "Send `Authorization: Bearer TOKEN` with the token in {path}."


class MisdirectedRequestError(QuorateError):
    """The `Host` header names another machine: a web page that points a name of its own at this address."""

    code = "MISDIRECTED_REQUEST"
    http_status = 421
    template = "administration does not answer for {host}"
    hint_template = "Use {allowed} in the address."


class NetworkNotAllowedError(QuorateError):
    """The host's administrator has named the networks it serves, and this is none of them."""

    code = "NETWORK_NOT_ALLOWED"
    http_status = 403
    template = "this KMS host does not serve {address}"
    hint_template = "On the host: `quorate host set allowed-networks NETWORKS`, or `default` to serve everybody."


class PublisherUnreachableError(QuorateError):
    """Nobody answered at the publisher's address, or somebody else did."""

    code = "PUBLISHER_UNREACHABLE"
    http_status = 502
    template = "the publisher's activation service at {url} cannot be reached: {reason}"
    hint_template = (
        "Look at the address, name resolution, proxy and firewall. Without a way to it: `quorate host request -o "
        "FILE.req`, and `quorate host activate --confirmation FILE.cert` with what the publisher sends back."
    )


# --- what a client meets on its way to a host ----------------------------------------------------------------------


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
    hint_template = "pip install 'quorate[mdns]'; or do without: `quorate client set-mdns off`."


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


# --- trust ---------------------------------------------------------------------------------------------------------


class TrustError(QuorateError):
    """A document that does not prove what it says."""


class BadSignatureError(TrustError):
    code = "BAD_SIGNATURE"
    http_status = 400
    template = "{what}: the signature is not right"
    hint_template = "The document was changed or forged. Do not use it; get it again from its maker."


class UnknownPublisherError(TrustError):
    code = "UNKNOWN_PUBLISHER"
    template = "{what} is signed by {kid}, which is none of the publisher's keys here"
    hint_template = "Use the publisher.jwks that ships with the product, or a document of this publisher."


class RetiredKeyError(UnknownPublisherError):
    """Signed by a key that the publisher has exchanged and dropped: an old document, or a stolen key."""

    code = "RETIRED_KEY"
    template = "{what} is signed by {kid}, a key that this publisher does not use any more"
    hint_template = "Ask the publisher for a new one; a KMS host makes a new request (`quorate host request`)."


class KeyRoleError(TrustError):
    """The publisher's key, but not one for this kind of document."""

    code = "KEY_ROLE"
    template = "{what} is signed by {kid}, which is the publisher's, but may not sign this"
    hint_template = "New keys are signed by a root key. If the publisher did not do this, its issuing key was stolen."


class TrustOutdatedError(TrustError):
    """Publisher's keys that were exchanged already: somebody goes back, or has not followed yet."""

    code = "TRUST_OUTDATED"
    template = "version {offered} of the publisher's keys was offered, but version {held} is known here"
    hint_template = "The newer one is kept. Get the newest publisher.trust from the publisher, whole."


class TrustGapError(TrustError):
    """A version of the publisher's keys that does not follow on the one that is known."""

    code = "TRUST_GAP"
    template = "version {offered} of the publisher's keys does not follow on version {held}"
    hint_template = "Each version proves the next. Get publisher.trust from the publisher, whole."


class ListOutdatedError(TrustError):
    """A revocation list that is not newer than the one that is known."""

    code = "LIST_OUTDATED"
    template = "revocation list {offered} was offered, but list {held} is known here"
    hint_template = "The newer one is kept; nothing needs to be done here."


class ListConflictError(ListOutdatedError):
    """Two lists of one number: the publisher's ledger was set back, or somebody has its key."""

    code = "LIST_CONFLICT"
    template = "revocation list {offered} was offered, but list {held}, which is known here, says something else"
    hint_template = "The one known here is kept. Tell the publisher; its next list has a higher number again."


class HostCertificateExpiredError(TrustError):
    code = "HOST_CERTIFICATE_EXPIRED"
    http_status = 503
    template = "the certificate of KMS host {host_id} ended on {expired}"
    hint_template = "On the host: make a new request (`quorate host request`) and let the publisher confirm it."


class HostCertificateEndingError(QuorateError):
    """A warning: the host still answers, and will not when nobody renews its certificate."""

    code = "HOST_CERTIFICATE_ENDING"
    template = "the host certificate ends on {expires}, in {days} days"
    hint_template = (
        "On the host: `quorate host activate --publisher-url URL`, which goes on renewing it; or `quorate host request "
        "-o FILE.req`, and `quorate host activate --confirmation FILE.cert` with the publisher's answer."
    )


class HostCertificateNotYetValidError(TrustError):
    code = "HOST_CERTIFICATE_NOT_YET_VALID"
    http_status = 503
    template = "the certificate of KMS host {host_id} begins on {begins}, which is later than now"
    hint_template = "Check this machine's clock."


class HostRevokedError(TrustError):
    code = "HOST_REVOKED"
    http_status = 403
    template = "KMS host {host_id} was revoked by the publisher: {reason}"
    hint_template = "Ask the publisher. A host that may come back is set up anew, with a new host key."


class LeaseInvalidError(TrustError):
    """A lease that breaks the publisher's policy: too few machines, too long, from the future."""

    code = "LEASE_INVALID"
    template = "the host's lease is not valid: {reason}"
    hint_template = "The host is faulty or hostile. Tell the administrator; the client keeps the lease it has."


class AnswerMismatchError(TrustError):
    """An answer to another question: a replay, or an answer for somebody else."""

    code = "ANSWER_MISMATCH"
    template = "the answer is for another question: its {field} is not the one that was asked"
    hint_template = "Somebody replays old answers, or a proxy mixes them up. The client asks again by itself."


class LeaseWrongMachineError(TrustError):
    code = "LEASE_WRONG_MACHINE"
    template = "the stored lease was made for another machine"
    hint_template = "This machine was copied from an image; it takes a new CMID and activates by itself."


class LeaseDamagedError(TrustError):
    code = "LEASE_DAMAGED"
    template = "the stored lease cannot be read: {reason}"
    hint_template = "It was set aside as {aside}; the client activates again by itself."


class LeaseForeignError(TrustError):
    """A stored lease of another product, edition, CMID or KMS host, put where ours was."""

    code = "LEASE_FOREIGN"
    template = "the stored lease is not for this installation: its {field} is another"
    hint_template = "It is not used; the client activates again by itself."


class LeaseExpiredError(TrustError):
    code = "LEASE_EXPIRED"
    template = "the activation ended on {expired}"
    hint_template = "Bring this machine to the network of its KMS host, or run `quorate client activate`."


class GraceExpiredError(QuorateError):
    code = "GRACE_EXPIRED"
    hresult = 0xC004F009
    template = "the grace period ended on {expired}"
    hint_template = "Bring this machine to the network of its KMS host, or run `quorate client activate`."


class ClockTurnedBackError(TrustError):
    code = "CLOCK_TURNED_BACK"
    template = "this machine's clock shows {now}, but it has already been {proven}"
    hint_template = "Set the clock right. If it is right: one contact with the KMS host proves it."


class UninstalledError(QuorateError):
    """slmgr `/upk`: Unlicensed until it is installed again."""

    code = "UNINSTALLED"
    hresult = 0xC004F014
    template = "{product} was uninstalled on this machine"
    hint_template = "Install it again: `quorate client init --product FILE.product --trust publisher.jwks`."


class RearmLimitReachedError(QuorateError):
    code = "REARM_LIMIT_REACHED"
    hresult = 0xC004D307
    template = "rearmed {rearm_limit} times, which is the limit"
    hint_template = "Activate with the KMS host instead."


# --- product keys, publisher, host administration ------------------------------------------------------------------


class ProductKeyInvalidError(QuorateError):
    code = "PRODUCT_KEY_INVALID"
    hresult = 0xC004F050
    http_status = 403
    template = "the product key is not valid: {reason}"
    hint_template = "Type it again, five groups of five; it never has 0, 1, I, L or O in it."


class ProductKeyUnknownError(ProductKeyInvalidError):
    code = "PRODUCT_KEY_UNKNOWN"
    template = "the host key ending in {last_five} was not issued by this publisher"
    hint_template = "It has no typing mistake. Was it issued by another publisher, or by another vault?"


class ProductKeyUnprovenError(ProductKeyInvalidError):
    code = "PRODUCT_KEY_UNPROVEN"
    template = "the request names the host key ending in {last_five}, but was made without knowing that key"
    hint_template = (
        "On the host: `quorate host install-key KEY`, make a new request (`quorate host request -o FILE.req`), "
        "and confirm that one."
    )


class ProductKeyExpiredError(QuorateError):
    code = "PRODUCT_KEY_EXPIRED"
    http_status = 403
    template = "the host key ending in {last_five} expired on {expired}"
    hint_template = "Issue a new one: `quorate publisher host-key issue`."


class ProductKeyBlockedError(QuorateError):
    code = "PRODUCT_KEY_BLOCKED"
    hresult = 0xC004F051
    http_status = 403
    template = "the host key ending in {last_five} is blocked: {reason}"
    hint_template = "Issue a new one: `quorate publisher host-key issue`."


class HostKeyUsedUpError(QuorateError):
    code = "HOST_KEY_USED_UP"
    hresult = 0xC004C008
    http_status = 403
    template = "the host key ending in {last_five} is used up: {used}"
    hint_template = "Issue another: `quorate publisher host-key issue`. Restoring a backup of a host uses none."


class HostKeyMissingError(QuorateError):
    code = "HOST_KEY_MISSING"
    template = "no host key is installed here"
    hint_template = "`quorate host install-key XXXXX-XXXXX-XXXXX-XXXXX-XXXXX`"


class ProductConflictError(QuorateError):
    code = "PRODUCT_CONFLICT"
    template = "product file {product}: {reason}"
    hint_template = "Nothing was changed. Ask the publisher for the right product file."


class WrongConfirmationError(TrustError):
    code = "WRONG_CONFIRMATION"
    template = "this confirmation is for another KMS host or another request: {reason}"
    hint_template = "Each host needs the confirmation of its own request file."


class PassphraseError(QuorateError):
    code = "WRONG_PASSPHRASE"
    template = "{path} cannot be opened: {reason}"
    hint_template = "Give the passphrase at the prompt, in QUORATE_PASSPHRASE, or with --passphrase-file FILE."


class PassphraseMissingError(PassphraseError):
    code = "PASSPHRASE_MISSING"
    template = "{path} needs a passphrase, but {reason}"


class RootKeyMissingError(QuorateError):
    """The publisher's root key is kept elsewhere, and only it can sign the next set of keys."""

    code = "ROOT_KEY_MISSING"
    template = "the publisher's root key is needed, and {reason}"
    hint_template = "Bring it here, name it with --root-key FILE, and take it away again afterwards."


class QrTooLargeError(QuorateError):
    code = "QR_TOO_LARGE"
    template = "{what} has {size} characters; a QR code holds {size_max}"
    hint_template = "Send the file, or the text (--text)."


class StateMissingError(QuorateError):
    code = "STATE_MISSING"
    template = "there is no {role} in {path}"
    hint_template = "Make one: `{command}`; or name its folder with --state-dir."


class DatabaseMissingError(StateMissingError):
    """The identity is there, the records are not: somebody removed them, or the disk did."""

    code = "DATABASE_MISSING"
    template = "there is no KMS host database: {path} is missing"
    hint_template = (
        "Begin a new one: `quorate host new-database`. Only records and settings are lost: clients keep their leases, "
        "and are counted again as they come back. With a backup: `quorate host restore FILE` into another folder."
    )


class StateExistsError(QuorateError):
    code = "STATE_EXISTS"
    template = "there is already a {role} in {path}"
    hint_template = "Nothing was changed. Use another folder (--state-dir), or move this one away first."


class StateInUseError(QuorateError):
    code = "STATE_IN_USE"
    template = "{path} is in use by another process{owner}"
    hint_template = "Only one may run on it. End the other one first."


class FilePermissionsError(QuorateError):
    code = "FILE_PERMISSIONS"
    template = "{path} may be read by others (mode {mode})"
    hint_template = "It holds a secret: `chmod {wanted} {path}`, and think about who may have read it."


class FileAccessError(QuorateError):
    code = "FILE_ACCESS"
    template = "{path}: {reason}"
    hint_template = "Check that it exists, who owns it, and that the disk is not full or read-only."


class OutputExistsError(QuorateError):
    code = "OUTPUT_EXISTS"
    template = "{path} is already there, with other content"
    hint_template = "It was left as it is. Choose another name with -o, or move that file away first."


class SchemaNewerError(QuorateError):
    code = "SCHEMA_NEWER"
    template = "{path} was written by a newer version of Quorate (schema {found}, known here: {known})"
    hint_template = "Nothing was changed. Install the newer version."


class BackupNewerError(QuorateError):
    code = "BACKUP_NEWER"
    template = "{path} was written by Quorate {found}, which is newer than this one ({known})"
    hint_template = "Nothing was changed. Install version {found} or newer, then restore it."


class PortTakenError(QuorateError):
    code = "PORT_TAKEN"
    template = "{address} is taken: {reason}"
    hint_template = "End the other program (`ss -ltnp`), or choose another port: `quorate host set port N`."


class InvalidSettingError(QuorateError):
    code = "INVALID_SETTING"
    http_status = 400
    template = "{name}: {reason}"
    hint_template = "{allowed}"


class InvalidSourceError(QuorateError):
    """A product.toml that does not say what it must."""

    code = "INVALID_SOURCE"
    template = "{path}: {reason}"
    hint_template = "{fix}"


class SimulationViolatedError(QuorateError):
    """A simulation broke a rule that holds always: a mistake of ours, which the replay command shows again."""

    code = "SIMULATION_VIOLATED"
    template = "the simulation broke the rule {rule}: {detail}"
    hint_template = "Please report it with this command, which plays it again: {replay}"


class NotKnownError(QuorateError):
    """A name that is not in a list."""

    code = "NOT_KNOWN"
    template = "there is no {what} {name}"
    hint_template = "Known: {known}."


# --- publishing the SRV record in DNS (event 12293 carries one of these) ---------------------------------------------


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
        "It needs the Python package zeroconf (pip install 'quorate[mdns]') and an IPv4 network that lets multicast "
        "through (UDP 5353). Or do without: `quorate host set mdns off`."
    )


class GssapiNotInstalledError(DnsPublicationError):
    code = "GSSAPI_NOT_INSTALLED"
    template = "secure updates (GSS-TSIG) need the Python package gssapi, which is not usable here: {reason}"
    hint_template = "pip install 'quorate[ad]' (needs gcc and the Kerberos headers: apt install gcc libkrb5-dev)"


# --- the firewall and the service manager of this machine ------------------------------------------------------------


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
        "/opt/quorate/bin/pip install 'quorate[{extra}]', then call /opt/quorate/bin/quorate."
    )


class ServiceManagerError(QuorateError):
    code = "SERVICE_MANAGER_FAILED"
    template = "{command} failed: {reason}"
    hint_template = "The unit files are written. See `systemctl status` and the journal, then run it again."


# --- slmgr's switches and roles of this machine -----------------------------------------------------------------------


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


# --- what a checkup finds on a KMS host -------------------------------------------------------------------------------


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


def _tree(root: type[QuorateError]) -> list[type[QuorateError]]:
    return [root, *(below for child in root.__subclasses__() for below in _tree(child))]


BY_CODE: dict[str, type[QuorateError]] = {error.code: error for error in reversed(_tree(QuorateError))}
"""Every error by its code, to name what another machine told us."""

__all__ = sorted({error.__name__ for error in _tree(QuorateError)} | {"BY_CODE"})
