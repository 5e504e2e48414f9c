"""`docs/reference/configuration.md`: every setting of every role, in its file, its variable, and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quorate.client.settings import file as client
from quorate.core.configfile import FileSetting, example_file
from quorate.host.admin import configuration as host
from quorate.publisher import configfile as publisher
from scripts.docs.words import cell

__all__ = ["ROLES", "FileOf", "configuration_page"]


@dataclass(frozen=True)
class FileOf:
    """One role's file."""

    role: str
    title: str
    example_title: str
    settings: Mapping[str, FileSetting]
    order: str
    reload: str

    @property
    def name(self) -> str:
        return f"{self.role}.toml"


ROLES = (
    FileOf(
        "host",
        "A KMS host",
        host.EXAMPLE_TITLE,
        host.FILE_SETTINGS,
        "Weakest first: default, file, `quorate host set` (slmgr and the console too), environment, flag of "
        "`quorate host run`.",
        "`systemctl reload quorate-host`, or SIGHUP to `quorate host run`. With a mistake in the file a host does not "
        "start; at a reload it goes on with what it had read, and says so in its log, in event 12291 and in `/readyz`.",
    ),
    FileOf(
        "client",
        "KMS clients",
        client.EXAMPLE_TITLE,
        client.FILE_SETTINGS,
        "Weakest first: default, file, environment, argument of `Client`. A user's own file is read instead of the "
        "machine's, not as well.",
        "`systemctl reload quorate-client`, or SIGHUP to `quorate client run`; a program reads it when it makes its "
        "`Client`. A mistake never keeps a program from its license: what is right is used, what is wrong is logged, "
        "and `quorate client activate`, `discover` and `run` refuse it.",
    ),
    FileOf(
        "publisher",
        "A publisher's activation service",
        publisher.EXAMPLE_TITLE,
        publisher.FILE_SETTINGS,
        "Weakest first: default, file, environment, flag of `quorate publisher serve`.",
        "SIGHUP to `quorate publisher serve`: TLS files and limits at once, the rest at the next start.",
    ),
)


def configuration_page() -> str:
    """All three files."""
    lines = [
        "# Configuration",
        "",
        "One flat TOML file per role; every setting is optional. As root and for the services: `host.toml`,",
        "`client.toml` and `publisher.toml` in `/etc/quorate`; for a user's own state, in `~/.config/quorate`.",
        "`--config FILE` or `QUORATE_CONFIG` names another one; set that variable for one service, not for a",
        "machine of several roles. No file holds a secret: settings name files that do.",
        "",
        "```",
        "quorate host config example > host.toml",
        "quorate host config check host.toml",
        "quorate host config show",
        "```",
        "",
        "The same three for `client` and `publisher`. `check` tells everything that is wrong at once, each with its",
        "line, and ends with 1; `show` tells who says a setting. How to: [configure](../how-to/configure.md).",
        "",
        "A variable named `QUORATE_...` that nothing reads, as `QUORATE_HOST_PORTT`, is told with the nearest name:",
        "by `check`, which ends with 1, by `quorate doctor`, and by `quorate host run`, `quorate client run` and",
        "`quorate publisher serve` at their start, which go on. An empty variable says nothing.",
        "Flags have variables, too: [commands](commands.md).",
        "",
    ]
    for each in ROLES:
        lines += [f"## {each.name}", "", f"{each.title}. {each.order}", "", f"Read again: {each.reload}", ""]
        lines += ["| setting | default | variable | |", "|---|---|---|---|"]
        lines += [_row(setting) for setting in each.settings.values()]
        lines += ["", f"The whole file, as `quorate {each.role} config example` prints it:", ""]
        lines += ["```toml", example_file(each.example_title, each.settings).rstrip(), "```", ""]
    return "\n".join(lines)


def _row(setting: FileSetting) -> str:
    words = f"{setting.meaning} {setting.allowed[:1].upper()}{setting.allowed[1:]}.".strip()
    return f"| `{setting.name}` | `{setting.example}` | `{setting.variable}` | {cell(words)} |"
