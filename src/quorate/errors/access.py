"""Who may administer a KMS host over the network, and how: tokens, TLS, lock-out."""

from __future__ import annotations

from quorate.errors.base import QuorateError, RefusedError


class UnauthorizedError(QuorateError):
    """No token, a wrong one, or one that has expired or was removed: the caller is not told which; the host's event
    12315 is."""

    code = "UNAUTHORIZED"
    http_status = 401
    template = "the administration token is missing or wrong"
    hint_template = (
        "Send `Authorization: Bearer TOKEN`. On the host itself the token is the line in admin.token; from elsewhere "
        "it is one that `quorate host token add NAME --scope operate` has printed there. What was wrong with it stands "
        "in `quorate host events --id 12315`."
    )


class TokenDamagedError(QuorateError):
    """Told before it is compared with anything: a mistake in copying is no attack, and no secret."""

    code = "TOKEN_DAMAGED"
    http_status = 401
    template = "this is not a whole administration token: {reason}"
    hint_template = "Copy it again, all of it, from where it was printed: it is shown once only."


class ScopeMissingError(RefusedError):
    code = "SCOPE_MISSING"
    hresult = 0x80070005
    http_status = 403
    template = "token {name} may only read, and this changes the host"
    hint_template = "Use a token that was made with `quorate host token add NAME --scope operate`."


class LockedOutError(RefusedError):
    """Too many wrong tokens from one address. A right one from there is good all the same."""

    code = "LOCKED_OUT"
    http_status = 429
    template = "too many wrong tokens came from {source}; retry in {retry_after_s} s"
    hint_template = "Use the right token, which is taken at once. On the host itself administration is never locked."


class TokenExistsError(QuorateError):
    code = "TOKEN_EXISTS"
    template = "there is a token {name} already"
    hint_template = "Nothing was changed. Choose another name, or take that one away: `quorate host token remove NAME`."


class TokenLimitError(QuorateError):
    code = "TOKEN_LIMIT"
    template = "there are {number} tokens already, as many as may be"
    hint_template = "Nothing was changed. Take some away: `quorate host token list`, `quorate host token remove NAME`."


class TlsUnusableError(QuorateError):
    """A certificate or key for administration that cannot be served."""

    code = "TLS_UNUSABLE"
    http_status = 400
    template = "TLS for administration cannot use {path}: {reason}"
    hint_template = (
        "Set admin-tls-cert to a PEM file with the certificate (and those between it and its authority), admin-tls-key "
        "to one with its key, mode 0600: docs/how-to/administer-over-the-network.md. Or go back to this machine only: "
        "`quorate host set admin-address default`, `quorate host set admin-tls-cert default`."
    )


class AdminNotEncryptedError(QuorateError):
    """Whoever is on the way could read the token, and then change the host."""

    code = "ADMIN_NOT_ENCRYPTED"
    http_status = 400
    template = "administration on {address} needs TLS, and there is no certificate for it"
    hint_template = (
        "Make one: `openssl req -x509 -newkey rsa:3072 -nodes -days 825 -keyout admin.key -out admin.crt -subj "
        "/CN=NAME -addext subjectAltName=DNS:NAME`, then `quorate host set admin-tls-cert admin.crt`, "
        "`quorate host set admin-tls-key admin.key`, and this again; callers get admin.crt (--ca-file). Or leave it on "
        "loopback (`quorate host set admin-address default`) and use a tunnel: "
        "`ssh -L 1689:127.0.0.1:1689 USER@HOST`."
    )


class RemoteNotTrustedError(QuorateError):
    """The TLS of another machine's administration: its certificate proves nothing here."""

    code = "REMOTE_NOT_TRUSTED"
    template = "administration of {host} is not trusted: {reason}"
    hint_template = (
        "Nothing was sent. Name its certificate, or its authority's, with --ca-file FILE (QUORATE_CA_FILE), and call "
        "it by a name that is in the certificate."
    )


class SetOnMachineOnlyError(RefusedError):
    """What would let a token of administration act on the host's machine beyond the host: files by any path, requests
    to programs that believe whoever is on the machine."""

    code = "SET_ON_MACHINE_ONLY"
    hresult = 0x80070005
    http_status = 403
    template = "{name} is not set over the network: {reason}"
    hint_template = "Nothing was changed. On the host's own machine: `{command}`."
