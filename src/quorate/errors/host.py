"""Refusals and faults of an activation host, and of the publisher's activation service."""

from __future__ import annotations

from quorate.errors.base import QuorateError, RefusedError, written_out


class CountInsufficientError(RefusedError):
    """S9: fewer machines than the activation threshold. State unchanged; asking is contributing."""

    code = "COUNT_INSUFFICIENT"
    hresult = 0xC004F038
    template = "activation count {count} of {threshold}"
    hint_template = (
        "{missing} must contact this host within {window_days} days. "
        "This client is counted; it asks again once `quorate client run` or your program runs. "
        "Nothing else needs to be done here."
    )

    def __init__(self, *, count: int, threshold: int, window_days: int = 30) -> None:
        missing = max(threshold - count, 0)
        machines = "1 more machine" if missing == 1 else f"{missing} more machines"
        super().__init__(count=count, threshold=threshold, missing=machines, window_days=window_days)


class CountBelowThresholdError(QuorateError):
    """A warning: the publisher's soft threshold let this machine renew, although the count has fallen."""

    code = "COUNT_BELOW_THRESHOLD"
    template = "renewed although the activation count is only {count} of {threshold}; until {until} that goes on"
    hint_template = (
        "{missing} must contact the KMS host by then, or renewals are refused; each machine stays activated until "
        "its own activation ends. On the host: `quorate host forecast`."
    )

    def __init__(self, *, count: int, threshold: int, until: str) -> None:
        missing = max(threshold - count, 1)
        machines = "1 more machine" if missing == 1 else f"{missing} more machines"
        super().__init__(count=count, threshold=threshold, until=until, missing=machines)


class CountWillFallError(QuorateError):
    """A warning: machines have gone silent, and when their records lapse the count is too small. Event 12314."""

    code = "COUNT_WILL_FALL"
    template = (
        "{group}: the count of {count} will fall below the threshold of {threshold} for {machines} on {day}, in "
        "{days}: the records of {lapsing} not heard for long lapse until then"
    )
    hint_template = (
        "Switch the silent machines on, or add as many as will be short ({missing}), before that day; `quorate host "
        "forecast` lists the silent ones."
    )

    def __init__(
        self,
        *,
        group: str,
        machines: str,
        count: int,
        threshold: int,
        day: str,
        days: int,
        lapsing: int,
        short: int,
    ) -> None:
        super().__init__(
            group=group,
            machines=machines,
            count=count,
            threshold=threshold,
            day=day,
            days="1 day" if days == 1 else f"{days} days",
            lapsing="1 machine" if lapsing == 1 else f"{lapsing} machines",
            missing="1 machine" if short == 1 else f"{short} machines",
        )


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
    hint_template = (
        "The client has taken a new CMID and asks again with it once `quorate client run` or your program runs."
    )


class EnrolmentRequiredError(RefusedError):
    """The host serves only clients that prove to know its enrolment secret. Nothing was counted."""

    code = "ENROLMENT_REQUIRED"
    http_status = 403
    template = "this KMS host serves only enrolled clients, and this one has no enrolment secret"
    hint_template = (
        "Get the secret from the host's administrator (on the host: `quorate host enrolment show`), then here: "
        "`quorate client set-enrolment FILE`."
    )


class EnrolmentWrongError(RefusedError):
    """Another secret than the host's, or a request that was changed on its way. Nothing was counted."""

    code = "ENROLMENT_WRONG"
    http_status = 403
    template = "this client's enrolment secret is not that of the KMS host"
    hint_template = (
        "It was changed, or is another site's. Get the present one from the host's administrator (on the host: "
        "`quorate host enrolment show`), then here: `quorate client set-enrolment FILE`."
    )


class EnrolmentSecretInvalidError(QuorateError):
    code = "ENROLMENT_SECRET_INVALID"
    template = "that is no enrolment secret: {reason}"
    hint_template = "It has six groups of five, QExxx-xxxxx-xxxxx-xxxxx-xxxxx-xxxxx. Copy it whole."


class EnrolmentMissingError(QuorateError):
    code = "ENROLMENT_MISSING"
    template = "this KMS host has no enrolment secret; it serves every client"
    hint_template = "`quorate host enrolment on` makes one, and serves from then on only clients that have it."


class RateLimitedError(RefusedError):
    code = "RATE_LIMITED"
    http_status = 429
    template = "too many requests from here; retry in {retry_after_s} s"
    hint_template = "Wait; the client tries again later."


class HostBusyError(RefusedError):
    """The queue before the disk is full. Bounded on purpose: a stalled disk must not eat the memory."""

    code = "HOST_BUSY"
    http_status = 503
    template = "this KMS host has {waiting} requests waiting and takes no more; retry in {retry_after_s} s"
    hint_template = (
        "Wait; the client tries again later. If it stays: look at the host's disk and `quorate host status`."
    )


class StoreUnavailableError(RefusedError):
    """The database cannot be written or read: disk full, locked, read-only, damaged, moved away."""

    code = "STORE_UNAVAILABLE"
    http_status = 503
    template = "this KMS host cannot write its records: {reason}; retry in {retry_after_s} s"
    hint_template = (
        "On the host: free disk space, make it writable, or end what locks {path}. "
        "The host goes on as soon as it can write again."
    )

    def __init__(self, *, reason: object, path: object, retry_after_s: object, advice: str | None = None) -> None:
        super().__init__(reason=reason, path=path, retry_after_s=retry_after_s)
        self.advice = advice
        if advice is not None:
            self.hint = written_out(f"On the host: {advice}")


class HostStoppingError(RefusedError):
    code = "HOST_STOPPING"
    http_status = 503
    template = "this KMS host is stopping; retry in {retry_after_s} s"
    hint_template = "Wait; the client tries again later."


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
    """Text that is undamaged, but is another document, or not one of Quorate."""

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


class HeadTooLargeError(QuorateError):
    code = "HEAD_TOO_LARGE"
    http_status = 431
    template = "the head of the request has more than {head_bytes_max} bytes or {headers_max} headers"
    hint_template = "Something between client and host adds to it: look at the proxy."


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


class MisdirectedRequestError(QuorateError):
    """The `Host` header names another machine: a web page that points a name of its own at this address."""

    code = "MISDIRECTED_REQUEST"
    http_status = 421
    template = "administration does not answer for {host}"
    hint_template = "Use {allowed} in the address."


class NetworkNotAllowedError(QuorateError):
    """The host's administrator has named the networks it serves, and this network is not one of them."""

    code = "NETWORK_NOT_ALLOWED"
    http_status = 403
    template = "this KMS host does not serve {address}"
    hint_template = "On the host: `quorate host set allowed-networks NETWORKS`, or `default` to serve everybody."


class OriginNotAllowedError(QuorateError):
    """A browser says so of a page's script or form. No page has anything to ask a KMS host, and a foreign one that a
    person at the site has opened could have machines counted."""

    code = "ORIGIN_NOT_ALLOWED"
    http_status = 403
    template = "a web page of {origin} asked, and only programs are answered here"
    hint_template = "Ask from a program, without the header Origin. A host's console is at port 1689."


class PublisherUnreachableError(QuorateError):
    """Nobody answered at the publisher's address, or somebody else did."""

    code = "PUBLISHER_UNREACHABLE"
    http_status = 502
    template = "the publisher's activation service at {url} cannot be reached: {reason}"
    hint_template = (
        "Look at the address, name resolution, proxy and firewall. Without a way to it: `quorate host request -o "
        "FILE.req`, and `quorate host activate --confirmation FILE.cert` with what the publisher sends back."
    )


class WrongFileError(MalformedError):
    """A file that is well, and another one than was meant: two arguments exchanged, the neighbour in the folder."""

    code = "WRONG_FILE"
    template = "{path} is {found}; what is needed here is {wanted}"
    hint_template = "{belongs}. Nothing was changed."


class ClockUnconfirmedError(QuorateError):
    """A warning: this host's clock shows what nothing confirms yet. While it lasts nothing is deleted for its age."""

    code = "CLOCK_UNCONFIRMED"
    template = "the clock shows {now}, {far} {way} what is certain ({certain}): nothing is deleted for its age"
    hint_template = (
        "Is the clock wrong? `timedatectl set-ntp true`; nothing was lost. Is it right, because the host was off or "
        "suspended? Then nothing needs to be done: it is confirmed once three machines that were known before have "
        "asked, a day later at most."
    )
