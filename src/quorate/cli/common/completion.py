"""What the shell offers: names of settings and their values, after `quorate host set`; slmgr's switches."""

from __future__ import annotations

from quorate.core.configfile import FileSetting

__all__ = ["setting_names", "setting_values"]

_CHOICES = {"priority": ("normal", "low")}


def setting_names(settings: dict[str, FileSetting], incomplete: str) -> list[tuple[str, str]]:
    """Settings that begin so, with what is allowed."""
    found = {name: each for name, each in settings.items() if name.startswith(incomplete.lower())}
    return [(name, each.allowed.replace("`", "")) for name, each in found.items()]


def setting_values(settings: dict[str, FileSetting], name: str, incomplete: str) -> list[str]:
    """Values that begin so, where there are few; `default` always is one."""
    setting = settings.get(name)
    switches = ("on", "off") if setting is not None and setting.is_switch else ()
    return [each for each in (*switches, *_CHOICES.get(name, ()), "default") if each.startswith(incomplete.lower())]
