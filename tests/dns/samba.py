"""A real Active Directory domain: a Samba domain controller in a network namespace, with either of its DNS servers.

Provisioned in a few seconds, one process (two with BIND), nothing outside its folder and its namespace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.dns.namespace import Namespace
from tests.dns.servers import Bind, Process, need

__all__ = ["ADMIN", "Domain"]

Backend = Literal["SAMBA_INTERNAL", "BIND9_DLZ"]
PASSWORD = "Passw0rd.Adm1n"
ADMIN = f"--user=Administrator%{PASSWORD}"
ADDRESS = "10.53.0.1"
DLZ = "/usr/lib/x86_64-linux-gnu/samba/bind9/dlz_bind9_18.so"


@dataclass(frozen=True)
class Domain:
    """`CORP.TEST` with the domain controller dc1.corp.test."""

    folder: Path
    backend: Backend
    namespace: Namespace

    @property
    def smb_conf(self) -> Path:
        return self.folder / "etc" / "smb.conf"

    @property
    def environ(self) -> dict[str, str]:
        """For Samba's and Kerberos' programs, and for hosts inside."""
        return {
            "SMB_CONF_PATH": str(self.smb_conf),
            "KRB5_CONFIG": f"{self.folder}/krb5.conf",
            "KRB5CCNAME": f"FILE:{self.folder}/ccache",
        }

    def run(
        self, *command: str | Path, stdin: str = "", environ: Mapping[str, str] | None = None, check: bool = True
    ) -> str:
        """A program inside the domain's network."""
        return self.namespace.run(*command, stdin=stdin, environ={**self.environ, **(environ or {})}, check=check)

    def computer(self, name: str) -> Path:
        """A new computer account `NAME$` and its keytab, as a machine has them that joined."""
        keytab = self.folder / f"{name.lower()}.keytab"
        self.run("samba-tool", "computer", "create", name)
        # Without a password the account has no keys, and exportkeytab writes nothing without saying so.
        self.run("samba-tool", "user", "setpassword", f"{name}$", f"--newpassword={PASSWORD}.{name}")
        self.run("samba-tool", "domain", "exportkeytab", keytab, f"--principal={name}$")
        keytab.chmod(0o600)
        return keytab

    def dig(self, name: str, kind: str = "SRV") -> list[str]:
        """What `dig +short` shows at the domain controller, sorted."""
        shown = self.run("dig", f"@{ADDRESS}", "+tcp", "+short", name, kind)
        return sorted(line for line in shown.splitlines() if not line.startswith(";"))

    @classmethod
    @contextmanager
    def running(cls, folder: Path, backend: Backend) -> Iterator[Domain]:
        """The domain until the end of the block."""
        need("samba", "dig", "kinit", *(["named"] if backend == "BIND9_DLZ" else []))
        with ExitStack() as stack:
            namespace = stack.enter_context(
                Namespace.made(
                    ADDRESS,
                    resolv_conf=f"search corp.test\nnameserver {ADDRESS}\n",
                    hosts=f"{ADDRESS} dc1.corp.test dc1\n",
                )
            )
            domain = cls(folder, backend, namespace)
            domain._provision()
            samba = Process(
                [
                    *namespace.prefix,
                    *["samba", "-F", "--no-process-group", "-M", "single", "--debug-stdout", "-d", "1", "-s"],
                    domain.smb_conf,
                ],
                folder / "samba.log",
                domain.environ,
            )
            stack.callback(samba.end)
            if backend == "BIND9_DLZ":
                stack.enter_context(domain._bind().running())
            samba.wait_until(domain._is_ready, "the domain controller")
            yield domain

    def _provision(self) -> None:
        folder = self.folder
        (folder / "krb5.conf").write_text(
            "[libdefaults]\n  default_realm = CORP.TEST\n  dns_lookup_kdc = false\n"
            "  dns_canonicalize_hostname = false\n  rdns = false\n"
            f"[realms]\n  CORP.TEST = {{\n    kdc = {ADDRESS}\n  }}\n"
            "[domain_realm]\n  .corp.test = CORP.TEST\n  corp.test = CORP.TEST\n"
        )
        self.namespace.run(
            *("samba-tool", "domain", "provision", "--realm=CORP.TEST", "--domain=CORP", "--server-role=dc"),
            *(f"--dns-backend={self.backend}", f"--adminpass={PASSWORD}", f"--targetdir={folder}"),
            *("--host-name=dc1", f"--host-ip={ADDRESS}", f"--option=interfaces={ADDRESS}/24"),
            "--option=bind interfaces only=yes",
            environ={"KRB5_CONFIG": f"{folder}/krb5.conf"},
        )
        services = "rpc, ldap, cldap, kdc" + (", dns" if self.backend == "SAMBA_INTERNAL" else "")
        places = {
            "private dir": "private",
            "state directory": "state",
            "cache directory": "cache",
            "lock directory": "lock",
            "pid directory": "run",
            "ncalrpc dir": "ncalrpc",
            "ntp signd socket directory": "ntp",
            "winbindd socket directory": "winbindd",
            "binddns dir": "bind-dns",
        }
        for place in places.values():
            (folder / place).mkdir(exist_ok=True)
        self.smb_conf.write_text(
            "[global]\n  netbios name = DC1\n  realm = CORP.TEST\n  workgroup = CORP\n"
            f"  server role = active directory domain controller\n  interfaces = {ADDRESS}/24\n"
            f"  bind interfaces only = yes\n  server services = {services}\n"
            "  tls enabled = no\n"  # else it makes an RSA key at its first start, which takes seconds
            f"  allow dns updates = secure only\n  log file = {folder}/log\n"
            + "".join(f"  {name} = {folder}/{place}\n" for name, place in places.items())
        )

    def _bind(self) -> Bind:
        (self.folder / "named").mkdir()
        return Bind(
            self.folder / "named",
            [],
            options=f'tkey-gssapi-keytab "{self.folder}/bind-dns/dns.keytab";',
            head=f'dlz "AD" {{ database "dlopen {DLZ}"; }};\n',
            address=ADDRESS,
            port=53,
            environ=self.environ,
            prefix=self.namespace.prefix,
        )

    def _is_ready(self) -> bool:
        told = self.run("dig", f"@{ADDRESS}", "+tcp", "+short", "+time=1", "+tries=1", "corp.test", "SOA", check=False)
        ticket = self.run("kinit", "Administrator@CORP.TEST", stdin=f"{PASSWORD}\n", check=False)
        return told.startswith("dc1.corp.test.") and "kinit:" not in ticket
