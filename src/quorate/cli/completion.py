"""What the shell offers: names of settings and their values, after `quorate host set`; slmgr's switches."""

from __future__ import annotations

import typer

from quorate.cli.slmgr_words import SWITCHES
from quorate.core.configfile import FileSetting

__all__ = ["setting_names", "setting_values", "slmgr_application"]

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


def slmgr_application() -> typer.Typer:
    """`quorate-slmgr` as far as completion is concerned: its own grammar is not typer's."""
    app = typer.Typer(name="quorate-slmgr", help="slmgr's own switches.", rich_markup_mode=None)

    @app.command()
    def switches(  # only its parameters count
        words: list[str] = typer.Argument(None, autocompletion=_switches),  # noqa: B008  (typer's way to say it)
        json: bool = typer.Option(False, "--json"),
        role: str = typer.Option("", "--role", autocompletion=lambda: ["host", "client"]),
        product_id: str = typer.Option("", "--product-id"),
        state_dir: str = typer.Option("", "--state-dir"),
    ) -> None:
        pass

    return app


def _switches(incomplete: str) -> list[tuple[str, str]]:
    return [(f"/{name}", each.does) for name, each in SWITCHES.items() if f"/{name}".startswith(incomplete.lower())]
