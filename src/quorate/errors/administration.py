"""Product keys, the publisher's ledger, files and settings: what an administrator or a publisher meets."""

from __future__ import annotations

from quorate.errors.base import QuorateError
from quorate.errors.trust import TrustError


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
    hint_template = (
        "Give the passphrase at the prompt, in QUORATE_PASSPHRASE, or with --passphrase-file FILE; that of the root "
        "key in QUORATE_ROOT_PASSPHRASE, or with --root-passphrase-file FILE."
    )


class PassphraseMissingError(PassphraseError):
    code = "PASSPHRASE_MISSING"
    template = "{path} needs a passphrase, but {reason}"


class BackupSealedError(QuorateError):
    code = "BACKUP_SEALED"
    template = "the backup {path} cannot be opened: {reason}"
    hint_template = (
        "Give its passphrase at the prompt, in QUORATE_BACKUP_PASSPHRASE, or with --passphrase-file FILE. Nothing was "
        "changed."
    )


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


class FolderNotPrivateError(QuorateError):
    """A volume's own top folder, as a rule: root's, and open to a group (Kubernetes: `fsGroup`)."""

    code = "FOLDER_NOT_PRIVATE"
    template = "{path} belongs to {owner}, others may enter it (mode {mode}), and it cannot be closed to them from here"
    hint_template = (
        "Use a folder inside it, which is made as it has to be: --state-dir {path}/state "
        "(QUORATE_STATE_DIR={path}/state). Keys that are in {path} already can be moved there."
    )


class HostCannotReadError(QuorateError):
    """A setting names a file that root can read, and the user as whom the host runs cannot."""

    code = "HOST_CANNOT_READ"
    template = "{name}: {path} cannot be read by {owner}, as whom this host runs"
    hint_template = (
        "Nothing was changed. Hand it over (`sudo chown {owner}: {path}`, and every folder above it must let that user "
        "in), or pass it as a credential of the service: `quorate host install-service --help`."
    )


class FileAccessError(QuorateError):
    code = "FILE_ACCESS"
    template = "{path}: {reason}"
    hint_template = "Check that it exists, who owns it, and that the disk is not full or read-only."


class DatabaseDamagedError(FileAccessError):
    """What stands in the database's place is none, or not a whole one."""

    code = "DATABASE_DAMAGED"
    hint_template = (
        "It does not recover by itself. Keep a copy of it, then with a backup: `quorate host restore FILE` into "
        "another folder. Without one: move it away with its `-wal` and `-shm`, and begin a new one with `quorate host "
        "new-database`; only records and settings are lost."
    )


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


class InvalidSettingError(QuorateError):
    code = "INVALID_SETTING"
    http_status = 400
    template = "{name}: {reason}"
    hint_template = "{allowed}"


class ConfigurationInvalidError(QuorateError):
    """A configuration file with a mistake in it. Nothing of it is used; who runs already goes on as before."""

    code = "CONFIGURATION_INVALID"
    template = "{place}: {problem}"
    hint_template = "{fix}"


class UnknownVariableError(QuorateError):
    """A variable of the environment that is named as ours and that nothing reads. It is told, and stops nobody."""

    code = "UNKNOWN_VARIABLE"
    template = "{name}: {reason}"
    hint_template = "{fix}"


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
