"""The settings' part of administration: what people type becomes what the host does, all or none, and on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quorate.host.admin.audit import Actor, Audited
from quorate.host.admin.consistency import check_together
from quorate.host.https.reload import check_admin_settings
from quorate.host.settings.precedence import Layers, Origin
from quorate.host.settings.settings import (
    RULES,
    Settings,
    parse_setting,
    shown_value,
    unknown_setting,
)

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
            AdminNotEncryptedError, TlsUnusableError: others could reach administration, and not safely.
            StoreUnavailableError
        """
        with self.trying(by, "settings", ", ".join(texts)):
            values = self._checked(texts)
        with self.changing(by, "settings", ", ".join(texts)) as change:
            before = change.within.settings()
            change.within.change_settings(values)
            shown = _shown(self._with(before, values))
            change.settings(_shown(self._with(before, {})), {name: shown[name] for name in values})
        stands = self.shown_settings()
        return {name: stands[name] for name in values}

    def _checked(self, texts: Mapping[str, str | None]) -> dict[str, Any]:
        products = self.keyring.credentials().products
        values = {
            _known(name): None if text is None else parse_setting(name, text, products)[1]
            for name, text in texts.items()
        }
        settings = self._with(self._store.settings(), values)
        check_together(settings, frozenset(values))
        check_admin_settings(settings, self._clock.now_s(), frozenset(values))
        return values

    def _with(self, stored: Mapping[str, Any], values: Mapping[str, Any]) -> Settings:
        kept = {name: value for name, value in {**stored, **values}.items() if value is not None}
        return Layers(file=self.configuration.layers.file).settings(kept)  # flags are this run's alone, and end with it


def _shown(settings: Settings) -> dict[str, str | int]:
    return {name: shown_value(getattr(settings, rule.attribute)) for name, rule in RULES.items()}


def _known(name: str) -> str:
    typed = name.strip().lower().replace("_", "-")
    if typed not in RULES:
        raise unknown_setting(name)
    return typed
