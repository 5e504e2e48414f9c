"""A real MIT KDC on 127.0.0.1, in the foreground, in a folder of its own; and the keytabs of its principals."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.dns.servers import Process, free_port, need, run

__all__ = ["Kdc"]


@dataclass
class Kdc:
    """A realm. `environ` makes Kerberos programs and libraries use it."""

    folder: Path
    realm: str
    environ: dict[str, str]

    def keytab(self, *principals: str) -> Path:
        """A file with the keys of these principals, which are made where they are new. Mode 0600."""
        path = self.folder / f"{principals[0].replace('/', '-')}.keytab"
        for principal in principals:
            self._admin(f"addprinc -randkey {principal}", check=False)
            self._admin(f"ktadd -k {path} {principal}")
        path.chmod(0o600)
        return path

    def _admin(self, command: str, *, check: bool = True) -> None:
        run("kadmin.local", "-r", self.realm, "-q", command, environ=self.environ, check=check)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, realm: str = "CORP.TEST", more: Sequence[str] = ()) -> Iterator[Kdc]:
        """The KDC until the end of the block; `more` are lines of `[libdefaults]`."""
        need("krb5kdc", "kadmin.local", "kinit")
        port = free_port()
        domain = realm.lower()
        lines = "".join(f"  {line}\n" for line in more)
        (folder / "krb5.conf").write_text(
            f"[libdefaults]\n  default_realm = {realm}\n  dns_lookup_kdc = false\n  dns_lookup_realm = false\n"
            f"  dns_canonicalize_hostname = false\n  rdns = false\n{lines}[realms]\n  {realm} = {{\n"
            f"    kdc = 127.0.0.1:{port}\n  }}\n[domain_realm]\n  .{domain} = {realm}\n  {domain} = {realm}\n"
        )
        (folder / "kdc.conf").write_text(
            f"[kdcdefaults]\n  kdc_listen = 127.0.0.1:{port}\n  kdc_tcp_listen = 127.0.0.1:{port}\n[realms]\n"
            f"  {realm} = {{\n    database_name = {folder}/principal\n    key_stash_file = {folder}/stash\n"
            f"    acl_file = {folder}/acl\n  }}\n"
        )
        environ = {"KRB5_CONFIG": f"{folder}/krb5.conf", "KRB5_KDC_PROFILE": f"{folder}/kdc.conf"}
        run("kdb5_util", "create", "-s", "-r", realm, "-P", "a master password", environ=environ)
        process = Process(["krb5kdc", "-n", "-r", realm], folder / "krb5kdc.log", environ)
        try:
            process.wait_until(lambda: _listens(port), "krb5kdc")
            yield cls(folder, realm, environ)
        finally:
            process.end()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
