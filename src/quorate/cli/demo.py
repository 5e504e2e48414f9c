"""`quorate demo`: the whole path on real parts in one minute, on a throw-away site."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from quorate.cli.demo_site import DemoClient, DemoSite, demo_site
from quorate.cli.output import JsonFlag, Output
from quorate.cli.unwinding import unwound_by_signals
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.words import counted

__all__ = ["command"]

ROWS_SHOWN = 12


@dataclass
class Tally:
    """What `--json` prints."""

    clients: int
    threshold: int
    activated_on_first_request: int = 0
    refused_on_first_request: int = 0
    activated_after_retry: int = 0
    count: int = 0
    machines: int = 0
    leases_verified: int = 0
    retry_wait_s: float = 0.0


def command(
    clients: Annotated[int, typer.Option(min=1, max=10_000, help="Machines in the fleet.")] = 30,
    threshold_client: Annotated[int, typer.Option(min=1, max=10_000, help="Activation threshold.")] = 25,
    retry_seconds: Annotated[
        float, typer.Option(min=0.0, max=60.0, help="What the two-hour retry is shortened to, in seconds.")
    ] = 3.0,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port for clients; another one if it is taken.")] = 1688,
    admin_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of administration; another one if it is taken.")
    ] = 1689,
    exit_after: Annotated[bool, typer.Option("--exit", help="End when the story is told.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """A publisher, a KMS host and a fleet that activates, on this machine, thrown away at the end.

    Everything is real: signatures, sockets, the database. Only the two-hour retry of refused clients is shortened.

    Example: quorate demo --clients 30 --threshold-client 25 --exit --json
    """
    _quiet_logs()
    out, clock, entropy = Output(as_json), SystemClock(), SystemEntropy()
    stop = threading.Event()
    with unwound_by_signals(), tempfile.TemporaryDirectory(prefix="quorate-demo-") as folder:
        out.say("Setting up a publisher, a product, a host key and a KMS host ...")
        with demo_site(Path(folder), threshold_client, port, admin_port, clock, entropy) as site:
            out.say(f"KMS host on 127.0.0.1:{site.server.port}, administration on 127.0.0.1:{site.server.admin_port}.")
            pause_s = 0.0 if as_json or exit_after else 3.0 / clients

            def wait(seconds: float) -> None:
                if seconds:
                    clock.wait(stop, seconds)

            tally = _story(site, Tally(clients, threshold_client, retry_wait_s=retry_seconds), out, wait, pause_s)
            if as_json:
                out.show(asdict(tally))
            else:
                _tell(tally, out)
            if not exit_after:
                _stay(site, out, stop, clock)


def _story(site: DemoSite, tally: Tally, out: Output, wait: Callable[[float], None], pause_s: float) -> Tally:
    """Every machine asks once; after the retry interval the refused ones ask again; then all leases are checked."""
    fleet: list[DemoClient] = []
    screen = Console(stderr=True)
    with Live(console=screen, refresh_per_second=12, transient=not screen.is_terminal) as live:
        for number in range(1, tally.clients + 1):
            machine = site.new_client(number)
            fleet.append(machine)
            if machine.ask():
                tally.activated_on_first_request += 1
            else:
                tally.refused_on_first_request += 1
            live.update(_picture(fleet, tally, "First requests"))
            wait(pause_s)
        refused = [machine for machine in fleet if not machine.is_activated]
        if refused:
            live.update(
                _picture(
                    fleet, tally, f"{len(refused)} wait; the two-hour retry is shortened to {tally.retry_wait_s:g} s"
                )
            )
            wait(tally.retry_wait_s)
        for machine in refused:
            tally.activated_after_retry += machine.ask()
            fleet.append(fleet.pop(fleet.index(machine)))  # what asked last is shown last
            live.update(_picture(fleet, tally, f"Retries (two hours shortened to {tally.retry_wait_s:g} s)"))
            wait(pause_s)
        tally.count, tally.machines = site.count(), site.machines()
        tally.leases_verified = sum(site.is_lease_good(machine) for machine in fleet)
        live.update(_picture(fleet, tally, "Done"))
    if refused:
        out.say(f"The two-hour retry of {len(refused)} refused clients was shortened to {tally.retry_wait_s:g} s.")
    return tally


def _picture(fleet: list[DemoClient], tally: Tally, stage: str) -> Group:
    heard, activated = len(fleet), sum(machine.is_activated for machine in fleet)
    bar = ProgressBar(total=tally.threshold, completed=min(heard, tally.threshold), width=40)
    head = Text.assemble(
        (f"{stage}\n", "bold"),
        f"{counted(heard, 'machine')} heard, {tally.threshold} needed; {activated} of {tally.clients} activated",
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("machine", "attempts", "host said", "state"):
        table.add_column(title)
    for machine in fleet[-ROWS_SHOWN:]:
        said = "-" if machine.count_told is None else f"count {machine.count_told}, needed {tally.threshold}"
        state = Text("Licensed", "green") if machine.is_activated else Text("Initial grace, asks again", "yellow")
        table.add_row(machine.name, str(machine.attempts), said, state)
    if heard > ROWS_SHOWN:
        table.add_row(f"({heard - ROWS_SHOWN} more above)", "", "", "")
    return Group(head, bar, Text(""), table)


def _tell(tally: Tally, out: Output) -> None:
    out.say(
        f"{counted(tally.refused_on_first_request, 'machine')} refused at the first request, as fewer than "
        f"{tally.threshold} had been heard; {tally.activated_on_first_request} were activated at their first request, "
        f"{tally.activated_after_retry} at their retry.\n"
        f"The host has heard {counted(tally.machines, 'machine')}. {counted(tally.leases_verified, 'lease')} read back "
        f"from disk and verified up to the publisher's key, offline."
    )


def _stay(site: DemoSite, out: Output, stop: threading.Event, clock: SystemClock) -> None:
    admin = f"http://127.0.0.1:{site.server.admin_port}"
    token = site.server.administration.keyring.admin_token()
    out.say(
        f"\nThe host stays up until Ctrl-C. Its console: {admin}/?token={token}\n"
        f"From another terminal:\n"
        f"  quorate host status --state-dir {site.folder / 'host'}\n"
        f"  quorate host clients --state-dir {site.folder / 'host'}\n"
        f"  curl -s {admin}/readyz\n"
        f"  curl -s {admin}/metrics"
    )
    try:
        while not clock.wait(stop, 3600):
            pass
    except KeyboardInterrupt:
        out.say("Stopping; the site is thrown away.")


def _quiet_logs() -> None:
    """The host's log lines would tear the picture; warnings still come through."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(),
    )
