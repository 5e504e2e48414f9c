"""The settings' part of administration: what people type becomes what the host does, all or none, and on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quorate.errors import HostCannotReadError, SetOnMachineOnlyError
from quorate.host.admin_tls import check_admin_settings
from quorate.host.audit import LOCAL_SOURCE, Actor, Audited
from quorate.host.config import RULES, Settings, parse_setting, shown_value, unknown_setting
from quorate.host.layers import Layers, Origin
from quorate.host.nearby import leads_here
from quorate.host.publisher_link import host_in
from quorate.host.together import check_together
from quorate.owner import owner_can_read, user_name

__all__ = ["Configuring"]


class Configuring(Audited):
    """What `Administration` does with settings."""

    def shown_settings(self) -> dict[str, str | int]:
        """All settings by the names people type, as they type them."""
        return _shown(self.settings())

    def origins(self) -> dict[str, Origin]:
        """Where each setting's value comes from."""
        return self.configuration.layers.origins(self._store.settings())

    def set_settings(self, texts: Mapping[str, str | None], by: Actor | None = None) -> dict[str, str | int]:
        """Set several settings, all or none; None means back to the default. What then stands is returned.

        Raises:
            InvalidSettingError: naming what is allowed, and the nearest name; nothing was changed.
            SetOnMachineOnlyError: a token asks for a path, or for an address that leads to this machine.
            AdminNotEncryptedError, TlsUnusableError: others could reach administration, and not safely.
            StoreUnavailableError
        """
        with self.trying(by, "settings", ", ".join(texts)):
            values = self._checked(texts, is_from_afar=by is not None and by.source != LOCAL_SOURCE)
        with self.changing(by, "settings", ", ".join(texts)) as change:
            before = change.within.settings()
            change.within.change_settings(values)
            shown = _shown(self._with(before, values))
            change.settings(_shown(self._with(before, {})), {name: shown[name] for name in values})
        stands = self.shown_settings()
        return {name: stands[name] for name in values}

    def _checked(self, texts: Mapping[str, str | None], *, is_from_afar: bool) -> dict[str, Any]:
        products = self.keyring.credentials().products
        values = {
            _known(name): None if text is None else parse_setting(name, text, products)[1]
            for name, text in texts.items()
        }
        if is_from_afar:  # before anything looks into the files that are named
            _check_from_afar(values)
        else:
            self._check_files(values)
        settings = self._with(self._store.settings(), values)
        check_together(settings, frozenset(values))
        check_admin_settings(settings, self._clock.now_s(), frozenset(values))
        return values

    def _check_files(self, values: Mapping[str, Any]) -> None:
        """That the user as whom the host runs may read what it is given: root may read everything."""
        for name, value in values.items():
            if value and RULES[name].is_file and name != "export-file":
                path, root = Path(str(value)), self.keyring.paths.root
                if not owner_can_read(root, path):
                    owner = user_name(root.stat().st_uid)
                    raise HostCannotReadError(name=name, path=path, owner=owner)

    def _with(self, stored: Mapping[str, Any], values: Mapping[str, Any]) -> Settings:
        kept = {name: value for name, value in {**stored, **values}.items() if value is not None}
        return Layers(file=self.configuration.layers.file).settings(kept)  # flags are this run's alone, and end with it


def _shown(settings: Settings) -> dict[str, str | int]:
    return {name: shown_value(getattr(settings, rule.attribute)) for name, rule in RULES.items()}


def _check_from_afar(values: Mapping[str, Any]) -> None:
    """What whoever holds a token may set: no file (it would be written, or read, with the host's rights), and nothing
    that sends to this machine's own programs. Taking such a setting back is always allowed."""
    for name, value in values.items():
        if not value:
            continue
        command = f"quorate host set {name} VALUE"
        if RULES[name].is_file:
            raise SetOnMachineOnlyError(name=name, reason="it names a file of the host's machine", command=command)
        if name in _SENT_TO and value != "local" and leads_here(_SENT_TO[name](str(value))):
            raise SetOnMachineOnlyError(name=name, reason="it leads to the host's own machine", command=command)


_SENT_TO: dict[str, Callable[[str], str]] = {
    "publisher-url": host_in,
    "export-syslog": lambda url: urlsplit(url).hostname or "",
}


def _known(name: str) -> str:
    typed = name.strip().lower().replace("_", "-")
    if typed not in RULES:
        raise unknown_setting(name)
    return typed
