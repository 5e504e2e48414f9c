"""`quorate host enrolment`: serve only clients that know a secret of this site; show it, exchange it, stop asking."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.cli.hostopen import open_host
from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.client.enrolment import secret_in
from quorate.clock import SystemEntropy
from quorate.core.enrolment import ENTROPY_BYTES, EnrolmentSecret
from quorate.core.policy import DAY_S
from quorate.core.trust import utc_text
from quorate.core.words import counted
from quorate.errors import EnrolmentMissingError
from quorate.files import SECRET_MODE, write_new
from quorate.host.administration import Administration
from quorate.host.audit import Change
from quorate.host.enrolment import GRACE_DAYS, GRACE_DAYS_MAX, Enrolment

__all__ = ["app"]

_Secret = Annotated[
    Path | None,
    typer.Option(
        "--secret-file",
        envvar="QUORATE_HOST_ENROLMENT_FILE",
        help="Take the secret in this file, as another host of the site has it (`enrolment show -o`).",
        metavar="FILE",
        show_default="a new one is made",
    ),
]
_LABELS = {
    "required": "Enrolment required",
    "since": "Secret of",
    "previous_until": "The one before is good until",
    "file": "Written to",
}


app = typer.Typer(
    help="Serve only clients that know a secret of this site.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: quorate host enrolment on",
)


@app.command("on", epilog="Example: quorate host enrolment on")
def on(secret_file: _Secret = None, folder: StateDir = None, as_json: JsonFlag = False) -> None:
    """Serve enrolled clients only, from now on. The secret is the one that is there, else a new one."""
    output, given = Output(as_json), _given(secret_file)
    with open_host(folder) as host, _changing(host, "only clients that know the enrolment secret are served"):
        made = host.keyring.enrolment.require(given or _new(), host.now_s(), is_given=given is not None)
    output.facts(_facts(made, as_json), _labels(as_json))
    output.say(
        "Clients without the secret are refused (ENROLMENT_REQUIRED) within a second from now. Next: `quorate host "
        "enrolment show -o site.enrolment`, and on each client `quorate client set-enrolment site.enrolment`."
    )


@app.command("off", epilog="Example: quorate host enrolment off")
def off(folder: StateDir = None, as_json: JsonFlag = False) -> None:
    """Serve every client again. The secret stays, for the next time."""
    output = Output(as_json)
    with open_host(folder) as host, _changing(host, "clients without the enrolment secret are served too"):
        made = host.keyring.enrolment.release()
    output.facts(_facts(made, as_json), _labels(as_json))


@app.command("show", epilog="Example: quorate host enrolment show -o site.enrolment")
def show(
    out: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write it into this new file (mode 0600).", metavar="FILE")
    ] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the secret, to give it to clients. It is shown here and nowhere else."""
    output = Output(as_json)
    with open_host(folder) as host:
        known, host_id = host.keyring.enrolment.read(), host.keyring.host_id
    if known is None:
        raise EnrolmentMissingError
    if out is not None:
        _write(out, known, host_id)
        output.facts({**_facts(known, as_json), "file": str(out)}, _labels(as_json))
        output.say("On each client: `quorate client set-enrolment FILE`. Who has it can enrol any machine.")
    elif as_json:
        output.show({**_facts(known, as_json), "secret": known.secret.text})
    else:
        print(known.secret.text)


@app.command("rotate", epilog="Example: quorate host enrolment rotate --grace-days 30")
def rotate(
    grace_days: Annotated[
        int,
        typer.Option("--grace-days", min=0, max=GRACE_DAYS_MAX, help="Days the old secret stays valid."),
    ] = GRACE_DAYS,
    secret_file: _Secret = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Exchange the secret for a new one. Clients with the one until now are served for a while."""
    output, given = Output(as_json), _given(secret_file)
    what = f"enrolment secret exchanged; the one before stays valid for {counted(grace_days, 'more day')}"
    with open_host(folder) as host, _changing(host, what):
        made = host.keyring.enrolment.rotate(given or _new(), host.now_s(), grace_days * DAY_S)
    output.facts(_facts(made, as_json), _labels(as_json))
    output.say("Next: `quorate host enrolment show -o site.enrolment`, and give it to the clients.")


def _new() -> EnrolmentSecret:
    return EnrolmentSecret.from_entropy(SystemEntropy().token(ENTROPY_BYTES))


def _given(path: Path | None) -> EnrolmentSecret | None:
    return None if path is None else secret_in(path)


def _changing(host: Administration, what: str) -> AbstractContextManager[Change]:
    return host.changing(None, "enrolment", what)


def _facts(made: Enrolment, as_json: bool) -> dict[str, Any]:
    if as_json:
        return {
            "required": made.is_required,
            "since_s": made.since_s,
            "previous_until_s": made.previous_until_s,
        }
    until_s = made.previous_until_s
    return {
        "required": "yes" if made.is_required else "no",
        "since": utc_text(made.since_s),
        "previous_until": None if until_s is None else utc_text(until_s),
    }


def _labels(as_json: bool) -> dict[str, str] | None:
    return None if as_json else _LABELS


def _write(path: Path, known: Enrolment, host_id: str) -> None:
    """The file for the clients: a few words for people, and the secret.

    Raises:
        OutputExistsError: there is a file of that name; nothing was changed.
        FileAccessError: it cannot be made.
    """
    text = f"# Enrolment secret of KMS host {host_id}, of {utc_text(known.since_s)}.\n{known.secret.text}\n"
    write_new(path, text.encode("ascii"), SECRET_MODE)
