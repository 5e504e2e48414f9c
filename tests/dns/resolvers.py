"""Resolvers, as they stand in `resolv.conf`: real dnsmasq and unbound on 127.0.0.1, asking a server of the test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.dns.servers import NameServer, Process, answers, free_port, need, run

__all__ = ["dnsmasq", "unbound"]


@contextmanager
def dnsmasq(folder: Path, *, forward: NameServer | None = None, lines: Sequence[str] = ()) -> Iterator[NameServer]:
    """dnsmasq, asking `forward` for what it does not know, with more lines of its configuration."""
    need("dnsmasq", "dig")
    port = free_port()
    onward = [f"server={forward.address}#{forward.port}"] if forward else []
    (folder / "dnsmasq.conf").write_text(
        "\n".join(
            [
                "no-resolv",
                "no-hosts",
                "listen-address=127.0.0.1",
                "bind-interfaces",
                f"port={port}",
                *onward,
                *lines,
                "",
            ]
        )
    )
    process = Process(
        ["dnsmasq", "--keep-in-foreground", "--user=", "--pid-file=", f"--conf-file={folder}/dnsmasq.conf"],
        folder / "dnsmasq.log",
    )
    try:
        process.wait_until(lambda: answers("127.0.0.1", port, "corp.test"), "dnsmasq")
        yield NameServer("127.0.0.1", port, folder, process, ())
    finally:
        process.end()


@contextmanager
def unbound(folder: Path, *, forward: NameServer | None = None, lines: Sequence[str] = ()) -> Iterator[NameServer]:
    """unbound, asking `forward` for what it does not know, with more lines of its `server:` clause."""
    need("unbound", "dig")
    port = free_port()
    onward = (
        f'forward-zone:\n  name: "."\n  forward-addr: {forward.address}@{forward.port}\n  forward-tcp-upstream: yes\n'
        if forward
        else ""
    )
    own = "".join(f"  {line}\n" for line in lines)
    (folder / "unbound.conf").write_text(
        f'server:\n  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  use-syslog: no\n  chroot: ""\n'
        f'  username: ""\n  directory: "{folder}"\n  pidfile: ""\n  module-config: "iterator"\n'
        f'  do-not-query-localhost: no\n  local-zone: "test." nodefault\n{own}remote-control:\n'
        f"  control-enable: no\n{onward}"
    )
    run("unbound-checkconf", folder / "unbound.conf")
    process = Process(["unbound", "-d", "-c", folder / "unbound.conf"], folder / "unbound.log")
    try:
        process.wait_until(lambda: answers("127.0.0.1", port, "localhost."), "unbound")
        yield NameServer("127.0.0.1", port, folder, process, ())
    finally:
        process.end()
