"""The names in a Kerberos keytab, read without any Kerberos library: whose key is it, and which one gets a ticket.

In Active Directory only the computer account `NAME$@REALM` can get a ticket, although the same keytab also holds
`host/name@REALM` (the domain answers "client not found" for it). So that one is chosen where it is present.
"""

from __future__ import annotations

import struct
from pathlib import Path

from quorate.errors import FileAccessError, KerberosCredentialsError, MalformedError
from quorate.files import read_secret

__all__ = ["principal_of", "principals"]

KEYTAB_BYTES_MAX = 256 * 1024
_VERSION = b"\x05\x02"


def principal_of(path: Path) -> str:
    """The principal to get a ticket for.

    Raises:
        FilePermissionsError: others may read the keytab.
        KerberosCredentialsError: it is missing, empty, or no keytab.
    """
    try:
        names = principals(read_secret(path, KEYTAB_BYTES_MAX))
    except FileAccessError as fault:
        raise KerberosCredentialsError(keytab=path, reason=str(fault.values["reason"])) from None
    except MalformedError as fault:
        raise KerberosCredentialsError(keytab=path, reason=fault.message) from None
    if not names:
        raise KerberosCredentialsError(keytab=path, reason="there is no key in it")
    return next((name for name in names if name.split("@")[0].endswith("$") and "/" not in name), names[0])


def principals(data: bytes) -> list[str]:
    """Every principal in the bytes of a keytab (MIT format 5.2), each once, in order.

    Raises:
        MalformedError: not a keytab.
    """
    if data[:2] != _VERSION:
        raise MalformedError(what="the keytab", reason="it does not begin as keytabs do")
    names: dict[str, None] = {}
    place = 2
    try:
        while place + 4 <= len(data):
            (size,) = struct.unpack_from("!i", data, place)
            place += 4
            if size == 0:
                break  # padding: the rest is empty
            if size > 0:
                names[_principal(data[place : place + size])] = None
            place += abs(size)  # a negative size is a hole, where a key was removed
    except (struct.error, UnicodeDecodeError):
        raise MalformedError(what="the keytab", reason="it is damaged") from None
    return list(names)


def _principal(entry: bytes) -> str:
    (count,) = struct.unpack_from("!H", entry)
    place = 2
    parts = []
    for _ in range(count + 1):  # the realm, then the components
        (size,) = struct.unpack_from("!H", entry, place)
        part = entry[place + 2 : place + 2 + size]
        if len(part) != size:
            raise struct.error("cut off")
        parts.append(part.decode("utf-8"))
        place += 2 + size
    return f"{'/'.join(parts[1:])}@{parts[0]}"
