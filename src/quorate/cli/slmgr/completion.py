"""Shell completion of slmgr's switches."""

from __future__ import annotations

import typer

from quorate.cli.slmgr.grammar import SWITCHES

__all__ = ["slmgr_application"]


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
