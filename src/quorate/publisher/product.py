"""The source of a product file: `product.toml`, read strictly into the claims that are signed.

The shape is in `INTERFACE.md`, "Product file source". Every mistake is told with the place, what was found, and what to
write instead; a name that is not known here is never passed over, as a mistyped threshold would be a wrong threshold.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from quorate.core.documents import Edition, ProductFile
from quorate.core.filekinds import FileKind, given_as
from quorate.core.policy import DAY_S, PROFILES, MachineClass, Policy, SoftThreshold, Threshold, Thresholds
from quorate.files import read_given
from quorate.publisher.source import Source, Table

__all__ = ["parse_source"]

SOURCE_BYTES_MAX = 64 * 1024
EDITIONS_MAX = COVERS_MAX = 64  # as core.documents.ProductFile has it
MINIMUM_MAX = 10_000  # as core.policy.Threshold has it
DAYS_MAX = 36_600  # a hundred years

_TOP = (
    "id", "name", "group", "covers", "service", "profile", "rearm_limit",
    "edition", "threshold", "validity", "clock",
)  # fmt: skip
_SERVICE = re.compile(r"_[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?\._tcp")
_COUNTED = (MachineClass.SERVER.value, MachineClass.CLIENT.value)


def parse_source(path: Path, publisher: str, issued_s: int) -> ProductFile:
    """The product that `path` describes, ready to be signed.

    Args:
        path: a `product.toml`, at most 64 KiB.
        publisher: the name of who signs it.
        issued_s: now.

    Raises:
        FileAccessError, MalformedError: it cannot be read, or is far too large.
        InvalidSourceError: it does not say what it must.
    """
    source = Source(path)
    top = Table(source, "", _load(source), _TOP)
    product_id = top.slug("id", "acme-cad")
    profile = top.choice("profile", tuple(PROFILES), "windows-7")
    return ProductFile(
        publisher=publisher,
        issued_s=issued_s,
        product=product_id,
        name=top.text("name", "Acme CAD"),
        group=top.slug("group", "acme"),
        covers=top.slugs("covers", COVERS_MAX),
        service=_service(top),
        editions=_editions(top),
        policy=_policy(top, PROFILES[profile]),
    )


def _load(source: Source) -> dict[str, Any]:
    data = given_as(read_given(source.path, SOURCE_BYTES_MAX), FileKind.PRODUCT_SOURCE, source.path)
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise source.error(f"line {line} is not UTF-8 text", "Save the file as UTF-8.") from None
    except ValueError as fault:  # TOMLDecodeError, or a number that Python finds too long
        raise source.error(
            f"it is not TOML: {str(fault)[:1].lower()}{str(fault)[1:]}",
            'Texts stand in quotes: name = "Acme CAD". A key stands once. See https://toml.io.',
        ) from None
    except RecursionError:
        raise source.error("it is nested too deeply", "A product file has tables in two levels.") from None


def _service(top: Table) -> str:
    service = top.text("service", "_quorate._tcp", default="_quorate._tcp")
    if service == "_vlmcs._tcp":
        raise top.error("service", "is _vlmcs._tcp, which belongs to Microsoft's KMS", 'Use "_quorate._tcp".')
    if not _SERVICE.fullmatch(service):
        raise top.error(
            "service",
            f"is {service}, which is no DNS service label",
            'Write "_name._tcp": lower-case letters, digits and dashes, at most 15 in the name. '
            'The usual one is "_quorate._tcp".',
        )
    return service


def _editions(top: Table) -> tuple[Edition, ...]:
    tables = top.tables("edition", ("id", "name", "class"), EDITIONS_MAX)
    editions: dict[str, Edition] = {}
    for table in tables:
        edition = Edition(
            id=table.slug("id", "acme-cad-pro"),
            name=table.text("name", "Acme CAD Professional"),
            machine_class=MachineClass(table.choice("class", [each.value for each in MachineClass])),
        )
        if edition.id in editions:
            raise table.error("id", f"is {edition.id}, which another edition has already", "Each edition has its own.")
        editions[edition.id] = edition
    return tuple(editions.values())


def _policy(top: Table, profile: Policy) -> Policy:
    validity = top.table("validity", ("activation", "ephemeral", "count_window", "initial_grace", "additional_grace"))
    clock = top.table("clock", ("tolerance_minutes",))
    return msgspec.structs.replace(
        profile,
        thresholds=_thresholds(top, profile.thresholds),
        activation_validity_s=_days(validity, "activation", 1, profile.activation_validity_s),
        ephemeral_validity_s=_days(validity, "ephemeral", 1, profile.ephemeral_validity_s),
        count_window_s=_days(validity, "count_window", 1, profile.count_window_s),
        initial_grace_s=_days(validity, "initial_grace", 0, profile.initial_grace_s),
        additional_grace_s=_days(validity, "additional_grace", 0, profile.additional_grace_s),
        clock_tolerance_s=clock.integer("tolerance_minutes", 1, 7 * 24 * 60, profile.clock_tolerance_s // 60) * 60,
        rearm_limit=top.integer("rearm_limit", 0, 1000, profile.rearm_limit),
    )


def _days(table: Table, key: str, low: int, default_s: int) -> int:
    return table.integer(key, low, DAYS_MAX, default_s // DAY_S) * DAY_S


def _thresholds(top: Table, profile: Thresholds) -> Thresholds:
    tables = top.table("threshold", [each.value for each in MachineClass])
    client = _threshold(tables, MachineClass.CLIENT, profile.client)
    return Thresholds(
        server=_threshold(tables, MachineClass.SERVER, profile.server),
        client=client,
        ephemeral=_threshold(tables, MachineClass.EPHEMERAL, client),  # as clients, unless the source says otherwise
    )


def _threshold(tables: Table, machine_class: MachineClass, profile: Threshold) -> Threshold:
    table = tables.table(machine_class.value, ("minimum", "counts", "soft"))
    minimum = table.integer("minimum", 1, MINIMUM_MAX, profile.minimum)
    return Threshold(minimum, _counts(table, profile.counts), _soft(table, minimum, profile.soft))


def _soft(table: Table, minimum: int, default: SoftThreshold | UnsetType) -> SoftThreshold | UnsetType:
    """What already activated machines need to go on renewing, and for how long; without it: nothing below `minimum`."""
    if not table.has("soft"):  # an ephemeral edition takes that of clients, as far as it fits a minimum of its own
        return UNSET if default is UNSET or default.minimum >= minimum else default
    soft = table.table("soft", ("minimum", "days"))
    for key in ("minimum", "days"):
        if not soft.has(key):
            raise soft.error(key, "is missing", "Write soft = { minimum = 20, days = 30 }.")
    lowest = soft.integer("minimum", 1, MINIMUM_MAX, max(minimum - 1, 1))
    if lowest >= minimum:
        fix = f"Write a number from 1 to {minimum - 1}, or take the line out." if minimum > 1 else "Take the line out."
        raise soft.error("minimum", f"is {lowest}, which is not below the minimum of {minimum}", fix)
    return SoftThreshold(lowest, soft.integer("days", 1, DAYS_MAX, 30) * DAY_S)


def _counts(table: Table, default: Sequence[MachineClass]) -> tuple[MachineClass, ...]:
    names = table.texts("counts", 'counts = ["server", "client"]', default=[each.value for each in default])
    example = 'Write ["server"], ["client"], or ["server", "client"].'
    if not names:
        raise table.error("counts", "is empty, so nothing would ever count", example)
    for name in names:
        if name == MachineClass.EPHEMERAL.value:
            raise table.error("counts", "has ephemeral in it; ephemeral machines never count", example)
        if name not in _COUNTED:
            raise table.unknown("counts", name, _COUNTED)
    if len(set(names)) != len(names):
        raise table.error("counts", "names a class twice; a class counts once", example)
    return tuple(MachineClass(name) for name in names)
