"""The configuration file of a host, `host.toml`, and the environment: read at the start, and again when asked to.

A file with a mistake is used not at all by a host that starts or reloads; a command that only looks takes what is right
in it, and says what is wrong.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from quorate.core.configfile import (
    CONFIG_BYTES_MAX,
    Checked,
    FileSetting,
    FileValue,
    Flaw,
    check_text,
    configuration_fault,
)
from quorate.core.documents import ProductFile
from quorate.errors import InvalidSettingError, QuorateError
from quorate.files import read_bounded
from quorate.host.admin.consistency import check_together
from quorate.host.https.reload import check_admin_settings
from quorate.host.settings.precedence import Layers, Said
from quorate.host.settings.settings import (
    RULES,
    Settings,
    parse_setting,
    settings_from,
    shown_value,
)

__all__ = [
    "CHECK",
    "EXAMPLE_TITLE",
    "FILE_SETTINGS",
    "Configuration",
    "check_config",
    "config_path",
    "variable_of",
    "wrong_variables",
]

CHECK = "quorate host config check"
_ADMIN = ("admin-address", "admin-tls-cert", "admin-tls-key", "admin-port")  # what may be wrong with each other
EXAMPLE_TITLE = """Configuration of a Quorate KMS host: /etc/quorate/host.toml.

Every line is a comment: what you leave as it is follows the default. A stronger word has, in this order,
`quorate host set`, the environment variable, and a flag of `quorate host run`.
Check: quorate host config check    Use it: systemctl reload quorate-host"""
MACHINE_STATE = Path("/var/lib/quorate/host")
MACHINE_FILE = Path("/etc/quorate/host.toml")


def variable_of(name: str) -> str:
    """The environment variable of a setting: `QUORATE_HOST_RENEWAL_INTERVAL`."""
    return f"QUORATE_HOST_{name.upper().replace('-', '_')}"


FILE_SETTINGS: dict[str, FileSetting] = {
    rule.name: FileSetting(
        name=rule.name,
        variable=variable_of(rule.name),
        allowed=rule.allowed,
        parse=rule.parse,
        default=shown_value(getattr(Settings(), rule.attribute)),
        meaning=rule.meaning,
        is_list=rule.is_list,
        is_file=rule.is_file,
        is_switch=isinstance(getattr(Settings(), rule.attribute), bool),
    )
    for rule in RULES.values()
}
"""Every setting, as `host.toml` has it."""


def config_path(named: Path | None, state_dir: Path, environ: Mapping[str, str]) -> tuple[Path | None, bool]:
    """The host's file, and whether it must be there, because somebody named it.

    In order: `--config`, `QUORATE_CONFIG`, and where the state is in the platform's place, the platform's place for
    configuration: `/etc/quorate` for `/var/lib/quorate`, the user's folder for a user. Any other state has no file.
    """
    if named is not None:
        return named.absolute(), True
    if environ.get("QUORATE_CONFIG"):
        return Path(environ["QUORATE_CONFIG"]).absolute(), True
    if state_dir == MACHINE_STATE:
        return MACHINE_FILE, False
    home = Path(environ.get("HOME") or Path.home())
    data_home = _absolute(environ.get("XDG_DATA_HOME")) or home / ".local" / "share"
    if state_dir != data_home / "quorate" / "host":
        return None, False
    return (_absolute(environ.get("XDG_CONFIG_HOME")) or home / ".config") / "quorate" / "host.toml", False


def check_config(data: bytes, products: tuple[ProductFile, ...] = (), now_s: int | None = None) -> Checked:
    """What a file of these bytes says, and everything that is wrong with it.

    Args:
        products: what the host serves; their policies bound the two intervals.
        now_s: also look into the files it names, as they are at this time; takes a second where one is of TLS.
    """
    checked = check_text(data, FILE_SETTINGS)
    checked = checked.with_flaws(_intervals(checked, products))
    return checked.with_flaws(_contradictions(checked, now_s))


def wrong_variables(environ: Mapping[str, str], products: tuple[ProductFile, ...] = ()) -> Iterator[Flaw]:
    """Every variable of a setting whose value cannot be one; `products` as of `check_config`."""
    for name, text in _said_by(environ):
        try:
            parse_setting(name, text, products)
        except InvalidSettingError as fault:
            yield Flaw(None, variable_of(name), str(fault.values["reason"]), fault.hint)


class Configuration:
    """What is said beside the store, and what is wrong with it.

    Args:
        file: None: there is none to read.
        is_named: it must be there.
        flags: this run's own, by setting name.

    Attributes:
        layers: what was read last without a mistake.
        fault: why the last reading was not used; None when it was.
    """

    def __init__(
        self,
        file: Path | None = None,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, Said] | None = None,
        *,
        is_named: bool = False,
    ) -> None:
        self.file = file
        self.is_named = is_named
        self._environ = environ or {}
        self.layers = Layers(flags=dict(flags or {}))
        self.fault: QuorateError | None = None

    @classmethod
    def of_running(cls, layers: Layers, file: Path | None) -> Configuration:
        """As a host that runs has told it."""
        made = cls(file)
        made.layers = layers
        return made

    def for_run(self, overrides: Mapping[str, Any], handed: socket.socket | None) -> Configuration:
        """The same with what holds for this run only.

        Args:
            overrides: by attribute of `Settings`; None says nothing.
            handed: where it listens is the service manager's to say then, whatever the settings are.
        """
        names = {rule.attribute: name for name, rule in RULES.items()}
        flags = dict(self.layers.flags)
        for attribute, value in overrides.items():
            if value is not None:
                flags[names[attribute]] = Said(shown_value(value), "this run")
        if handed is not None:
            place = zip(("address", "port"), handed.getsockname(), strict=False)
            flags |= {name: Said(value, "the socket unit") for name, value in place}
        return Configuration(self.file, self._environ, flags, is_named=self.is_named)

    def reread(self, products: tuple[ProductFile, ...]) -> None:
        """Use what file and environment say now.

        Raises:
            ConfigurationInvalidError, FileAccessError: the file. What was read before stays in use.
            InvalidSettingError: a variable.
        """
        try:
            checked = self._checked(products)
            if checked.flaws:
                raise configuration_fault(self.file, checked.flaws, self._check_command())
            environment = self._variables(products)
        except QuorateError as fault:
            self.fault = fault
            raise
        self.fault = None
        self._use(checked, environment)

    def look(self, products: tuple[ProductFile, ...] = ()) -> QuorateError | None:
        """Use what is right in file and environment: for commands that look. What is wrong with them, if anything."""
        environment: dict[str, Said] = {}
        try:
            checked = self._checked(products)
            if checked.flaws:
                self.fault = configuration_fault(self.file, checked.flaws, self._check_command())
            environment = self._variables(products)
        except InvalidSettingError as fault:
            self.fault = fault
        except QuorateError as fault:
            self.fault, checked = fault, Checked({})
        self._use(checked, environment)
        return self.fault

    def _use(self, checked: Checked, environment: dict[str, Said]) -> None:
        file = {
            name: Said(shown_value(each.value), f"{self.file}:{each.line}") for name, each in checked.values.items()
        }
        self.layers = Layers(file, environment, self.layers.flags)

    def _checked(self, products: tuple[ProductFile, ...]) -> Checked:
        if self.file is None or (not self.is_named and not self.file.exists()):
            return Checked({})
        return check_config(read_bounded(self.file, CONFIG_BYTES_MAX), products)

    def _variables(self, products: tuple[ProductFile, ...]) -> dict[str, Said]:
        """Raises InvalidSettingError."""
        found: dict[str, Said] = {}
        for name, text in _said_by(self._environ):
            variable = variable_of(name)
            try:
                value = parse_setting(name, text, products)[1]
            except InvalidSettingError as fault:
                reason, allowed = fault.values["reason"], fault.values["allowed"]
                raise InvalidSettingError(name=variable, reason=reason, allowed=allowed) from None
            found[name] = Said(shown_value(value), variable)
        return found

    def _check_command(self) -> str:
        return f"{CHECK} {self.file}" if self.is_named else CHECK


def _said_by(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Every setting that has a variable set, and what that says."""
    return ((name, environ[variable_of(name)]) for name in RULES if environ.get(variable_of(name)))


def _absolute(text: str | None) -> Path | None:
    """The specification of these variables has relative ones ignored."""
    return Path(text) if text and Path(text).is_absolute() else None


def _intervals(checked: Checked, products: tuple[ProductFile, ...]) -> Iterator[Flaw]:
    for name, each in checked.values.items():
        if RULES[name].is_interval:
            try:
                parse_setting(name, str(each.value), products)
            except InvalidSettingError as fault:
                yield Flaw(each.line, name, str(fault.values["reason"]), fault.hint, each.column)


def _contradictions(checked: Checked, now_s: int | None) -> Iterator[Flaw]:
    """What does not go together, each once."""
    values = checked.values
    settings = settings_from({}, {RULES[name].attribute: each.value for name, each in values.items()})
    files = [name for name in values if RULES[name].is_file]
    told: set[str] = set()
    looked_at = [] if now_s is None else [frozenset({name}) for name in files]
    for changed in [frozenset(values) - frozenset(files), *looked_at]:
        try:
            check_together(settings, changed)
            if now_s is not None:
                check_admin_settings(settings, now_s, changed)
        except QuorateError as fault:
            if fault.message not in told:
                told.add(fault.message)
                yield _flaw_of(fault, values)


def _flaw_of(fault: QuorateError, values: Mapping[str, FileValue]) -> Flaw:
    """The fault with the line of the setting that it is about."""
    name = next((each for each in _suspects(fault, values) if each in values), None)
    found = None if name is None else values[name]
    reason = str(fault.values["reason"]) if isinstance(fault, InvalidSettingError) else fault.message
    if found is None:
        return Flaw(None, name, reason, fault.hint)
    return Flaw(found.line, name, reason, fault.hint, found.column)


def _suspects(fault: QuorateError, values: Mapping[str, FileValue]) -> Iterator[str]:
    """Whom a fault is about: whom it names; whose file it names; else what administration is served with."""
    yield str(fault.values.get("name"))
    yield from (name for name, each in values.items() if each.value == str(fault.values.get("path")))
    yield from _ADMIN
