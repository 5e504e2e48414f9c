"""slmgr's switches on a KMS client: one product of this machine, or all of them where that is meant."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

from quorate import __version__
from quorate.cli.client_owner import work_as_owner_of
from quorate.cli.roles import Here
from quorate.cli.slmgr_show import ClientFacts, client_expiry, client_lines
from quorate.cli.slmgr_words import Asked
from quorate.client.client import Client
from quorate.client.installed import Installed, load_installed, the_one
from quorate.client.leasefile import LeaseFile
from quorate.client.news import News
from quorate.client.standing import Status
from quorate.client.state import STATE_BYTES_MAX, ClientState, decode_state
from quorate.clock import SystemClock
from quorate.core.lease import Intervals
from quorate.core.trust import utc_text
from quorate.errors import InvalidSettingError, NotKnownError, QuorateError
from quorate.owner import Rights

__all__ = ["ClientDesk", "do_on_client"]


class ClientDesk:
    """The products that are set up on this machine.

    Args:
        here: what there is.
        product_id: the one that is meant, where there are several.
    """

    def __init__(self, here: Here, product_id: str | None) -> None:
        self._here = here
        self._product_id = product_id

    def one(self, activation_id: str | None) -> Installed:
        """The product that an activation id (its own id, or that of an edition) names; without one, the only one.

        Raises:
            StateMissingError: none is set up.
            NotKnownError, InvalidSettingError: none of that id; several, and none was named.
        """
        if activation_id is None:
            return the_one(self._here.client_folders, self._product_id)
        return self._named(activation_id)

    def all(self, activation_id: str | None) -> list[Installed]:
        """The products to show; raises as `one`."""
        if activation_id is not None and activation_id.lower() != "all":
            return [self._named(activation_id)]
        if self._product_id is not None:
            return [the_one(self._here.client_folders, self._product_id)]
        return list(self._here.products.values())

    def _named(self, activation_id: str) -> Installed:
        wanted = activation_id.lower()
        found = self._here.products
        for each in found.values():
            if wanted == each.product.product or each.product.edition(wanted) is not None:
                return each
        known = ", ".join(edition.id for each in found.values() for edition in each.product.editions) or "none"
        raise NotKnownError(what="activation id", name=activation_id, known=known)


def do_on_client(asked: Asked, desk: ClientDesk) -> tuple[list[str], list[dict[str, Any]]]:
    """One switch: lines for people, and one object for each product.

    Raises:
        RefusedError: the KMS host said no.
        QuorateError: as the client's own commands.
    """
    if sys.platform == "win32":
        return _done(asked, desk)
    before = Rights.now()
    try:
        return _done(asked, desk)
    finally:  # the next switch may be for the KMS host, which belongs to another user
        if Rights.now() != before:
            before.take()


def _done(asked: Asked, desk: ClientDesk) -> tuple[list[str], list[dict[str, Any]]]:
    if asked.switch.name in ("dli", "dlv", "xpr"):
        return _show(asked, desk)
    found = desk.one(asked.activation_id)
    client = _client(found)
    lines = list(_ACTIONS[asked.switch.name](asked, client, found))
    return lines, [_facts(found, client.status())]


def _show(asked: Asked, desk: ClientDesk) -> tuple[list[str], list[dict[str, Any]]]:
    lines: list[str] = []
    objects = []
    for found in desk.all(asked.activation_id):
        shown = _shown(found, _client(found))
        if lines:
            lines.append("")
        if asked.switch.name == "xpr":
            lines += client_expiry(shown)
        else:
            lines += client_lines(shown, is_long=asked.switch.name == "dlv")
        more = {
            "host_id": shown.host_id,
            "activation_interval_min": shown.intervals.activation_min,
            "renewal_interval_min": shown.intervals.renewal_min,
            "rearms_left": shown.rearms_left,
            "version": shown.version,
            "time_s": shown.now_s,
        }
        objects.append(_facts(found, shown.status) | more)
    return lines, objects


def _shown(found: Installed, client: Client) -> ClientFacts:
    status = client.status()  # which also settles what is on disk
    state = _state(found)
    policy = client.product.policy
    return ClientFacts(
        product=client.product,
        edition=client.product.edition(status.edition),
        status=status,
        intervals=Intervals() if state is None else state.life.intervals,
        rearms_left=policy.rearm_limit if state is None else max(policy.rearm_limit - state.life.rearms, 0),
        host_id=None if state is None else _host_id(found, state),
        version=__version__,
        now_s=SystemClock().now_s(),
    )


def _state(found: Installed) -> ClientState | None:
    """The record; None where it cannot be read, or is kept in memory only."""
    try:
        data = LeaseFile(found.product_path.parent).read(STATE_BYTES_MAX)
        return None if data is None else decode_state(data)
    except QuorateError:
        return None


def _host_id(found: Installed, state: ClientState) -> str | None:
    question = state.lease_question()
    if question is None or state.lease is None or state.host_certificate is None:
        return None
    try:
        anchor = load_installed(found.product_path, found.trust_path)
        news = News(found.product_path.parent, anchor)
        return news.check_stored(state.lease, state.host_certificate, question, anchor).host_id
    except QuorateError:
        return None


# --- doing -----------------------------------------------------------------------------------------------------------


def _activate(asked: Asked, client: Client, found: Installed) -> list[str]:
    status = client.activate()
    ends = "" if status.expires_s is None else f" until {utc_text(status.expires_s)}"
    return [f"Activating {client.product.name} ({status.edition}) ...", f"{client.product.name} is activated{ends}."]


def _rearm(asked: Asked, client: Client, found: Installed) -> list[str]:
    status = client.rearm()
    return [f"Rearmed: the CMID is now {status.cmid}, and the initial grace begins anew. No restart is needed."]


def _set_host(asked: Asked, client: Client, found: Installed) -> list[str]:
    status = client.set_host(_host_text(asked.argument or "", client.status()))
    lines = [f"The KMS host is now {status.host}; no other is asked."]
    if status.lookup_domain is not None:
        lines.append(f"Warning: it overrides the DNS lookup domain {status.lookup_domain} (/ckms-domain clears that).")
    return lines


def _clear_host(asked: Asked, client: Client, found: Installed) -> list[str]:
    status = client.clear_host()
    lines = ["The KMS host is cleared; DNS is asked for one."]
    if status.lookup_domain is not None:
        lines.append(f"Warning: the DNS lookup domain {status.lookup_domain} stays in force (/ckms-domain clears it).")
    return lines


def _set_domain(asked: Asked, client: Client, found: Installed) -> list[str]:
    status = client.set_domain(asked.argument or "")
    lines = [f"KMS hosts are looked for in DNS domain {status.lookup_domain} only."]
    if status.host_source == "set":
        lines.append(f"Warning: the registered KMS host {status.host} goes before it (/ckms clears that).")
    return lines


def _clear_domain(asked: Asked, client: Client, found: Installed) -> list[str]:
    client.clear_domain()
    return ["The DNS lookup domain is cleared; this machine's own domains are looked in."]


def _caching(is_on: bool) -> Callable[[Asked, Client, Installed], list[str]]:
    def change(asked: Asked, client: Client, found: Installed) -> list[str]:
        client.set_caching(is_on)
        return [f"KMS host caching is now {'enabled' if is_on else 'disabled'}."]

    return change


def _uninstall(asked: Asked, client: Client, found: Installed) -> list[str]:
    client.uninstall()
    return [
        f"{client.product.name} is uninstalled on this machine: it is Unlicensed, and asks no KMS host any more.",
        "Its CMID stays. `quorate client init --product FILE.product --trust publisher.jwks` installs it again.",
    ]


_ACTIONS: dict[str, Callable[[Asked, Client, Installed], list[str]]] = {
    "ato": _activate,
    "rearm": _rearm,
    "skms": _set_host,
    "ckms": _clear_host,
    "skms-domain": _set_domain,
    "ckms-domain": _clear_domain,
    "skhc": _caching(True),
    "ckhc": _caching(False),
    "upk": _uninstall,
}


def _host_text(argument: str, status: Status) -> str:
    """`/skms :PORT` is another port of the host that is set or known."""
    if not argument.startswith(":"):
        return argument
    if status.host is None:
        raise InvalidSettingError(
            name="/skms",
            reason=f"{argument} is a port, and no KMS host is known that it could be of",
            allowed="NAME[:PORT]; :PORT where a host is known.",
        )
    return f"{status.host.rpartition(':')[0]}{argument}"


def _client(found: Installed) -> Client:
    work_as_owner_of(found.root)
    return Client(found.product_path, found.trust_path, state_dir=found.root)


def _facts(found: Installed, status: Status) -> dict[str, Any]:
    return {"product": found.product.product} | dataclasses.asdict(status)
