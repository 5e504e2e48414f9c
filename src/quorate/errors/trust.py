"""Signatures, certificates, leases and lists that do not hold."""

from __future__ import annotations

from quorate.errors.base import QuorateError


class TrustError(QuorateError):
    """A document that does not prove what it says."""


class BadSignatureError(TrustError):
    code = "BAD_SIGNATURE"
    http_status = 400
    template = "{what}: the signature is not right"
    hint_template = "The document was changed or forged. Do not use it; get it again from its maker."


class UnknownPublisherError(TrustError):
    code = "UNKNOWN_PUBLISHER"
    template = "{what} is signed by {kid}, which is not one of the publisher's keys known here"
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
    hint_template = "Somebody replays old answers, or a proxy mixes them up. The client asks again later."


class LeaseWrongMachineError(TrustError):
    code = "LEASE_WRONG_MACHINE"
    template = "the stored lease was made for another machine"
    hint_template = "This machine was copied from an image; the client has taken a new CMID and activates with it."


class LeaseDamagedError(TrustError):
    code = "LEASE_DAMAGED"
    template = "the stored lease cannot be read: {reason}"
    hint_template = "It was set aside as {aside}; the client activates again at its next attempt."


class LeaseForeignError(TrustError):
    """A stored lease of another product, edition, CMID or KMS host, put where ours was."""

    code = "LEASE_FOREIGN"
    template = "the stored lease is not for this installation: its {field} is another"
    hint_template = "It is not used; the client activates again at its next attempt."


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
    hint_template = (
        "Set the clock right. If it is right: a lease from the KMS host proves it, and where no host can be reached "
        "`quorate client accept-clock` takes its time for true (it uses one rearm)."
    )


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
