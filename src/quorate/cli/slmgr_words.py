"""slmgr's grammar: `[ComputerName [User Password]] [switch ...]`, each switch with `/` or `-`, in any case.

Pure: what was typed becomes a `Call`, or an error that says what was wrong with it. The table of switches is the one
source of the usage text, of `docs/reference/slmgr.md`, and of what may stand together.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from quorate.errors import MisusedError

__all__ = ["SWITCHES", "Asked", "Call", "Role", "Switch", "parse", "usage"]

SWITCHES_MAX = 16  # in one call; there are 23


class Role(Enum):
    """What a machine can be; a switch is for the one, the other, or either."""

    HOST = "host"
    CLIENT = "client"


_HOST, _CLIENT, _EITHER = (Role.HOST,), (Role.CLIENT,), (Role.HOST, Role.CLIENT)


@dataclass(frozen=True)
class Switch:
    """One switch.

    Attributes:
        needs: what its argument is called; None: it takes none that it must have.
        may: what a further argument is called that may be left out.
        roles: on which machines it works.
        is_remote: whether it works on another machine's KMS host, over the administration API: all but what only a
            client has.
        opposes: switches that make no sense beside it.
    """

    name: str
    does: str
    needs: str | None = None
    may: str | None = None
    roles: tuple[Role, ...] = _EITHER
    is_remote: bool = False
    opposes: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """As the usage shows it: `/skms NAME[:PORT] [ID]`."""
        words = [f"/{self.name}", self.needs or "", f"[{self.may}]" if self.may else ""]
        return " ".join(word for word in words if word)


_ID = "ACTIVATION-ID | all"

SWITCHES: dict[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch("dli", "Show the license in short.", may=_ID, is_remote=True),
        Switch("dlv", "Show the license with everything there is to know.", may=_ID, is_remote=True),
        Switch("xpr", "Show when the present state ends.", may=_ID, is_remote=True),
        Switch("ipk", "Install a host key; a former one is replaced.", "HOST-KEY", roles=_HOST, is_remote=True),
        Switch(
            "ato",
            "Activate now: a client asks its KMS host, a host its publisher.",
            may="ACTIVATION-ID",
            is_remote=True,
        ),
        Switch("upk", "Uninstall: the machine is no longer activated.", may="ACTIVATION-ID", is_remote=True),
        Switch(
            "cpky",
            "Remove the text of the host key from the disk; the activation stays.",
            roles=_HOST,
            is_remote=True,
        ),
        Switch("dti", "Print the request that the publisher confirms, as text.", roles=_HOST, is_remote=True),
        Switch(
            "atp",
            "Deposit the publisher's confirmation: a file, its text, or - for stdin.",
            "CONFIRMATION",
            roles=_HOST,
            is_remote=True,
        ),
        Switch("rearm", "Take a new CMID and begin the initial grace anew.", may="ACTIVATION-ID", roles=_CLIENT),
        Switch(
            "skms",
            "Ask this KMS host and no other.",
            "NAME[:PORT] | :PORT",
            "ACTIVATION-ID",
            _CLIENT,
            opposes=("ckms",),
        ),
        Switch("ckms", "Forget that host, and look in DNS again.", may="ACTIVATION-ID", roles=_CLIENT),
        Switch(
            "skms-domain",
            "Look for KMS hosts in this DNS domain only.",
            "DOMAIN",
            "ACTIVATION-ID",
            _CLIENT,
            opposes=("ckms-domain",),
        ),
        Switch("ckms-domain", "Look in this machine's own domains again.", may="ACTIVATION-ID", roles=_CLIENT),
        Switch("skhc", "Ask the host that worked last first (default).", roles=_CLIENT, opposes=("ckhc",)),
        Switch("ckhc", "Let DNS decide in every attempt.", roles=_CLIENT),
        Switch("sprt", "Listen on this TCP port (default 1688).", "PORT", roles=_HOST, is_remote=True),
        Switch(
            "sai",
            "Minutes until a refused client asks again: 15 to 43200, default 120.",
            "MINUTES",
            roles=_HOST,
            is_remote=True,
        ),
        Switch(
            "sri",
            "Minutes until an activated client renews: 15 to 43200, default 10080.",
            "MINUTES",
            roles=_HOST,
            is_remote=True,
        ),
        Switch("sdns", "Publish this host in DNS (default).", roles=_HOST, is_remote=True, opposes=("cdns",)),
        Switch("cdns", "Do not publish this host in DNS.", roles=_HOST, is_remote=True),
        Switch("spri", "Run with normal priority (default).", roles=_HOST, is_remote=True, opposes=("cpri",)),
        Switch("cpri", "Run with low priority.", roles=_HOST, is_remote=True),
    )
}

OPTIONS = {  # beside the switches; each says whether it takes a value
    "--json": False,
    "--role": True,
    "--state-dir": True,
    "--product-id": True,
    "--ca-file": True,
    "--help": False,
    "--version": False,
}
_HELP = {"/?", "-?", "/h", "-h", "/help", "-help", "--help"}


@dataclass(frozen=True)
class Asked:
    """One switch as it was typed, its arguments with it."""

    switch: Switch
    argument: str | None = None
    activation_id: str | None = None


@dataclass(frozen=True)
class Call:
    """A whole command line. `secret` is the password: the token of administration."""

    asked: tuple[Asked, ...] = ()
    computer: str | None = None
    user: str | None = None
    secret: str | None = field(default=None, repr=False)
    as_json: bool = False
    role: Role | None = None
    state_dir: str | None = None
    product_id: str | None = None
    ca_file: str | None = None
    is_help: bool = False
    is_version: bool = False


def parse(words: Sequence[str]) -> Call:
    """What `words` ask for.

    Raises:
        MisusedError: an unknown option, a missing argument, or a combination that makes no sense.
    """
    names = _names(words)
    place = len(names)
    options: dict[str, str] = {}
    asked: list[Asked] = []
    is_help = False
    while place < len(words):
        word = words[place]
        name, has_value, value = word.partition("=")
        if word.lower() in _HELP:
            is_help, place = True, place + 1
        elif name.lower() in OPTIONS:
            place += 1
            if OPTIONS[name.lower()] and not has_value:
                value, place = _argument(words, place, name.lower(), "a value"), place + 1
            options[name.lower()] = value
        else:
            each, place = _switch(words, place)
            asked.append(each)
    call = _call(names, options, asked)
    if is_help or "--help" in options:
        return Call(is_help=True)
    _check_together(call)
    return call


def usage() -> str:
    """What the tool can do, on a screen and a half."""
    lines = [
        "Usage: quorate-slmgr [ComputerName [User Password]] [switch ...]",
        "",
        "  ComputerName    a KMS host to manage from here: NAME, NAME:PORT or https://NAME:PORT (port 1689)",
        "  User Password   the name of a token (`quorate host token add`) or `admin`, and the token; - asks for it;",
        "                  or QUORATE_ADMIN_TOKEN. On the host itself its own admin.token is read",
        "",
        "  Switches begin with / or -, in any case. One for a KMS host is marked h, one for a KMS client c.",
        "",
    ]
    width = max(len(switch.shown) for switch in SWITCHES.values() if len(switch.shown) <= 30)
    for switch in SWITCHES.values():
        mark = "".join("h" if role is Role.HOST else "c" for role in switch.roles)
        if len(switch.shown) > width:
            lines.append(f"  {mark:<2} {switch.shown}")
            lines.append(f"     {'':<{width}}  {switch.does}")
        else:
            lines.append(f"  {mark:<2} {switch.shown:<{width}}  {switch.does}")
    return "\n".join(
        [
            *lines,
            "",
            "  --json             one JSON object for each switch, on stdout",
            "  --role ROLE        host or client, where this machine is both",
            "  --product-id ID    which product, where a client has several",
            "  --state-dir PATH   folder of this machine's state (QUORATE_STATE_DIR)",
            "  --ca-file FILE     whom to believe about ComputerName's certificate, PEM (QUORATE_CA_FILE)",
            "  --version, /?      the version; this text",
            "",
            "Exit codes: 0 worked, 1 failed, 2 misused, 3 refused by the host.",
            "Example: quorate-slmgr /skms kms.contoso.example /ato",
        ]
    )


# --- inside ----------------------------------------------------------------------------------------------------------


def _names(words: Sequence[str]) -> list[str]:
    """Computer, user and password: the words before the first switch. A token may begin with a dash."""
    names: list[str] = []
    for place, word in enumerate(words):
        is_token = place == 2 and word.startswith("-") and not _known(word)
        if word.startswith(("/", "-")) and not is_token:
            break
        names.append(word)
    return names


def _known(word: str) -> bool:
    """Whether the word is a switch or an option."""
    return (
        (word[:1] in ("/", "-") and word[1:].lower() in SWITCHES)
        or word.partition("=")[0].lower() in OPTIONS
        or word.lower() in _HELP
    )


def _switch(words: Sequence[str], place: int) -> tuple[Asked, int]:
    word = words[place]
    switch = SWITCHES.get(word[1:].lower()) if word[:1] in ("/", "-") else None
    if switch is None:
        raise MisusedError(reason=_unrecognized(word))
    place += 1
    argument = activation_id = None
    if switch.needs is not None:
        argument, place = _argument(words, place, word, switch.needs), place + 1
    if switch.may is not None and place < len(words) and not words[place].startswith(("/", "-")):
        activation_id, place = words[place], place + 1
    return Asked(switch, argument, activation_id), place


def _argument(words: Sequence[str], place: int, word: str, needs: str) -> str:
    if place >= len(words) or _known(words[place]) or not words[place]:
        raise MisusedError(reason=f"option {word} needs {needs}")
    return words[place]


def _unrecognized(word: str) -> str:
    if not word.startswith(("/", "-")):
        return f"unrecognized argument {_shown(word)}: the switch before it takes no more"
    near = difflib.get_close_matches(word.lstrip("/-").lower(), SWITCHES, n=1)
    return f"unrecognized option {_shown(word)}" + (f"; did you mean /{near[0]}?" if near else "")


def _call(names: list[str], options: dict[str, str], asked: list[Asked]) -> Call:
    if len(names) == 2:
        raise MisusedError(reason=f"user {_shown(names[1])} needs a password: quorate-slmgr ComputerName User Password")
    if len(names) > 3:
        raise MisusedError(reason=f"unrecognized argument {_shown(names[3])}: a switch begins with / or -")
    role = None
    if "--role" in options:
        try:
            role = Role(options["--role"].lower())
        except ValueError:
            raise MisusedError(reason=f"--role {_shown(options['--role'])}: host or client") from None
    computer, user, secret = (*names, None, None, None)[:3]
    return Call(
        asked=tuple(asked),
        computer=computer,
        user=user,
        secret=secret,
        as_json="--json" in options,
        role=role,
        state_dir=options.get("--state-dir"),
        product_id=options.get("--product-id"),
        ca_file=options.get("--ca-file"),
        is_version="--version" in options,
    )


def _check_together(call: Call) -> None:
    names = [each.switch.name for each in call.asked]
    if not names and not call.is_version:
        raise MisusedError(reason="no switch was given")
    if len(names) > SWITCHES_MAX:
        raise MisusedError(reason=f"at most {SWITCHES_MAX} switches in one call")
    for name in names:
        if names.count(name) > 1:
            raise MisusedError(reason=f"invalid combination: /{name} twice")
        for other in SWITCHES[name].opposes:
            if other in names:
                raise MisusedError(reason=f"invalid combination: /{name} and /{other}")
    for each in call.asked:
        if call.computer is not None and not each.switch.is_remote:
            where = f"is for a KMS client, and clients have no remote administration: run it on {_shown(call.computer)}"
            raise MisusedError(reason=f"invalid combination: /{each.switch.name} {where}")
        if call.role is not None and call.role not in each.switch.roles:
            raise MisusedError(
                reason=f"invalid combination: /{each.switch.name} is for a KMS {each.switch.roles[0].value}"
            )
    if call.computer is not None and call.role is Role.CLIENT:
        raise MisusedError(reason="invalid combination: another machine is managed as a KMS host")


def _shown(word: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in word)[:80]
