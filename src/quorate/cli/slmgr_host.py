"""slmgr's switches on a KMS host: on this machine's state folder, or over another machine's administration API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from quorate.cli.slmgr_show import HostFacts, HostProduct, host_expiry, host_lines
from quorate.cli.slmgr_words import Asked
from quorate.cli.streams import typed_in
from quorate.core.armor import TEXT_BYTES_MAX, armored, dearmored, text_of
from quorate.core.documents import HOST_CERTIFICATE
from quorate.core.filekinds import FileKind, given_as
from quorate.core.trust import utc_text
from quorate.errors import (
    FileAccessError,
    HostNotActivatedError,
    NotAQuorateHostError,
    NotKnownError,
    PublisherUnknownError,
)

__all__ = ["Done", "HostDesk", "do_on_host"]


class HostDesk(Protocol):
    """A KMS host: this machine's own, or another's."""

    def facts(self) -> dict[str, Any]:
        """Its status, as `quorate host status --json` prints it."""
        ...

    def set(self, name: str, text: str) -> dict[str, Any]:
        """Change one setting; what then stands."""
        ...

    def install_key(self, typed: str) -> str:
        """Install a host key; its last five."""
        ...

    def request(self) -> str:
        """A request for the publisher."""
        ...

    def activate(self, confirmation: str) -> int:
        """Take the publisher's confirmation; when it ends."""
        ...

    def activate_online(self) -> int | None:
        """Ask the publisher's activation service; when the activation ends, or None: no service is known."""
        ...

    def remove_key_text(self) -> bool:
        """Whether there was one."""
        ...

    def uninstall_key(self) -> None:
        """Key and certificate."""
        ...


class Done:
    """What a switch did: facts for scripts, lines for people."""

    def __init__(self, lines: list[str], **facts: Any) -> None:
        self.lines = lines
        self.facts = facts


_SETTINGS: dict[str, tuple[str, str | None, str]] = {  # switch: setting, value (None: the argument), what is said
    "sprt": ("port", None, "KMS clients are now served on port {port}. Let it through the firewall, and mind clients "
                           "that were told another port: `quorate host firewall`."),
    "sai": ("activation-interval", None, "The activation interval is now {activation-interval} minutes."),
    "sri": ("renewal-interval", None, "The renewal interval is now {renewal-interval} minutes."),
    "sdns": ("dns-publishing", "on", "DNS publishing is now enabled."),
    "cdns": ("dns-publishing", "off", "DNS publishing is now disabled."),
    "spri": ("priority", "normal", "The KMS priority is now normal."),
    "cpri": ("priority", "low", "The KMS priority is now low. On a busy machine answers may come late."),
}  # fmt: skip


def do_on_host(asked: Asked, desk: HostDesk) -> Done:
    """One switch.

    Raises:
        HostNotActivatedError: a setting, and the host is not activated; nothing was changed.
        InvalidSettingError: a value that is not allowed; nothing was changed.
        NotKnownError: no product or edition of that activation id.
        QuorateError: as the host's own commands.
    """
    name = asked.switch.name
    if name in _SETTINGS:
        return _set(asked, desk)
    if name in ("dli", "dlv", "xpr"):
        return _show(asked, desk)
    actions: dict[str, Callable[[Asked, HostDesk], Done]] = {
        "ipk": _install_key,
        "ato": _activate,
        "dti": _print_request,
        "atp": _deposit,
        "upk": _uninstall,
        "cpky": _clear_key,
    }
    return actions[name](asked, desk)


def _show(asked: Asked, desk: HostDesk) -> Done:
    told = desk.facts()
    facts = _host_facts(told)
    products = _chosen(facts.products, asked.activation_id)
    if asked.switch.name == "xpr":
        return Done(
            list(host_expiry(facts, products)),
            activated=facts.activated,
            code=facts.code,
            message=facts.message,
            expires_s=facts.certificate_expires_s,
            products=[product.id for product in products],
        )
    return Done(list(host_lines(facts, products, is_long=asked.switch.name == "dlv")), **told)


def _set(asked: Asked, desk: HostDesk) -> Done:
    if not _host_facts(desk.facts()).activated:
        raise HostNotActivatedError
    setting, value, words = _SETTINGS[asked.switch.name]
    stands = desk.set(setting, value if value is not None else asked.argument or "")
    return Done([words.format(**stands)], **{name.replace("-", "_"): each for name, each in stands.items()})


def _install_key(asked: Asked, desk: HostDesk) -> Done:
    last_five = desk.install_key(asked.argument or "")
    return Done(
        [f"Host key ending in {last_five} is installed.", "Next: /dti prints the request that the publisher confirms."],
        product_key_last_five=last_five,
    )


def _activate(asked: Asked, desk: HostDesk) -> Done:
    facts = _host_facts(desk.facts())
    products = _chosen(facts.products, asked.activation_id)
    names = ", ".join(product.name for product in products)
    until_s = facts.certificate_expires_s if facts.activated else desk.activate_online()
    if until_s is None:
        raise PublisherUnknownError
    words = f"{names}: this KMS host is activated until {utc_text(until_s)}."
    return Done([words], activated=True, certificate_expires_s=until_s)


def _print_request(asked: Asked, desk: HostDesk) -> Done:
    text = armored(desk.request())
    return Done(
        [
            "Send this text to the publisher; it holds no secret. What comes back goes to /atp.",
            "",
            *text.splitlines(),
        ],
        request=text,
    )


def _deposit(asked: Asked, desk: HostDesk) -> Done:
    until_s = desk.activate(dearmored(_confirmation(asked.argument or ""), HOST_CERTIFICATE))
    return Done(
        [f"The confirmation is deposited; this KMS host is activated until {utc_text(until_s)}."],
        activated=True,
        certificate_expires_s=until_s,
    )


def _uninstall(asked: Asked, desk: HostDesk) -> Done:
    desk.uninstall_key()
    return Done(
        [
            "Host key and activation are removed; this KMS host answers nobody any more.",
            "Clients keep the leases they have. Its identity, records and settings stay: /ipk begins anew.",
        ],
        activated=False,
    )


def _clear_key(asked: Asked, desk: HostDesk) -> Done:
    was_there = desk.remove_key_text()
    words = "The text of the host key is removed from the disk." if was_there else "There was no host key on the disk."
    return Done([words], removed=was_there)


def _confirmation(argument: str) -> str:
    """The text behind `/atp`: from stdin, from a file, or as it stands."""
    if argument == "-":
        return text_of(typed_in(TEXT_BYTES_MAX + 1))
    if "\n" in argument or argument.startswith(("eyJ", "-----")):
        return argument
    path = Path(argument)
    try:
        with path.open("rb") as file:
            return text_of(given_as(file.read(TEXT_BYTES_MAX + 1), FileKind.HOST_CERTIFICATE, path))
    except OSError as fault:
        raise FileAccessError(path=path, reason=fault.strerror or type(fault).__name__) from None


def _host_facts(told: dict[str, Any]) -> HostFacts:
    try:
        return msgspec.convert(told, HostFacts)
    except msgspec.ValidationError as fault:
        reason = f"it has another version than this tool ({fault})"
        raise NotAQuorateHostError(host="administration", reason=reason) from None


def _chosen(products: tuple[HostProduct, ...], activation_id: str | None) -> tuple[HostProduct, ...]:
    if activation_id is None or activation_id.lower() == "all":
        return products
    wanted = activation_id.lower()
    chosen = tuple(product for product in products if wanted in (product.id, *product.editions))
    if not chosen:
        known = ", ".join(edition for product in products for edition in (product.id, *product.editions))
        raise NotKnownError(what="activation id", name=activation_id, known=known)
    return chosen
