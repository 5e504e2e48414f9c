"""`host dns check`: what clients would find, and whether it leads anywhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from quorate.cli.host.dns import dns_app
from quorate.cli.host.open import OpenedPublication
from quorate.core.messages import HostDescription, encode
from quorate.errors import HostUnreachableError, NotAQuorateHostError, NotKnownError
from quorate.host.publication.check import Finding, check_publication
from quorate.host.publication.probe import say_hello
from quorate.host.publication.publisher import DnsPublisher
from tests.dns.resolvers import dnsmasq
from tests.dns.servers import ZONE, Bind, NameServer, Zone, dig, free_port, nsupdate
from tests.dns.support import World, names_at

NAME = "_quorate._tcp.corp.test"
OWN_ID = "11111111-1111-4111-8111-111111111111"
OTHER_ID = "22222222-2222-4222-8222-222222222222"


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    with Bind(tmp_path_factory.mktemp("bind"), [Zone("corp.test", "allow-update { any; };")]).running() as running:
        yield running


@pytest.fixture(autouse=True)
def empty_zone(bind: NameServer) -> Iterator[None]:
    yield
    nsupdate(bind, "zone corp.test", f"update delete {NAME}. SRV")


@pytest.fixture
def world(bind: NameServer) -> World:
    return World(names_at(bind))


def description(host_id: str = OWN_ID, *, activated: bool = True) -> bytes:
    return encode(
        HostDescription(
            service="_quorate._tcp",
            version="1",
            protocol=(1,),
            host_id=host_id,
            activated=activated,
            host_certificate=None,
            products=("acme-cad",),
            time_s=1_800_000_000,
        )
    )


@contextmanager
def http_host(body: bytes, status: int = 200) -> Iterator[int]:
    """Something that answers every GET with `body`; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name for it
            self.send_response(status if self.path == "/v1/host" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name for it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def records(bind: NameServer, *values: str) -> None:
    nsupdate(bind, "zone corp.test", *(f"update add {NAME}. 60 SRV {value}" for value in values))


def found(world: World, port: int = 1688) -> list[tuple[str, str]]:
    return [(each.level, each.code) for each in findings(world, port)]


def findings(world: World, port: int = 1688) -> Sequence[Finding]:
    settings = world.settings({"port": str(port)})
    return check_publication(settings, world.names, say_hello, OWN_ID)


def test_all_is_well(bind: NameServer, world: World) -> None:
    with http_host(description()) as port:
        records(bind, f"0 0 {port} kms01.corp.test.")
        assert found(world, port) == [("ok", "PUBLISHED"), ("ok", "ANSWERS")]


def test_a_living_sibling_is_fine_and_named(bind: NameServer, world: World) -> None:
    with http_host(description(OTHER_ID)) as theirs, http_host(description()) as port:
        extra = "update add kms03.corp.test. 60 A 127.0.0.1"
        nsupdate(bind, "zone corp.test", extra)
        records(bind, f"0 0 {port} kms01.corp.test.", f"10 0 {theirs} kms03.corp.test.")
        told = findings(world, port)
        assert sorted((each.level, each.code) for each in told) == [
            ("ok", "ANSWERS"),
            ("ok", "ANSWERS"),
            ("ok", "PUBLISHED"),
        ]
        assert any(OTHER_ID in each.message for each in told)


def test_a_missing_record(world: World) -> None:
    assert found(world) == [("fail", "NOT_PUBLISHED")]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("0 0 1688 alias.corp.test.", "DNS_TARGET_IS_ALIAS"),
        ("0 0 1688 nothing.corp.test.", "DNS_TARGET_NO_ADDRESS"),
        ("0 0 1688 retired.corp.test.", "DNS_TARGET_NO_ADDRESS"),
        ("0 0 1689 kms01.corp.test.", "WRONG_PORT"),
        ("5 0 1688 kms01.corp.test.", "STALE_VALUE"),
        ("0 0 0 .", "SERVICE_DENIED"),
    ],
)
def test_each_bad_record_is_named_with_the_line_that_removes_it(
    bind: NameServer, world: World, value: str, code: str
) -> None:
    records(bind, value)
    missing, bad = findings(world)
    assert missing.code == "NOT_PUBLISHED"
    assert bad.code == code
    line = bad.fix.split("`")[1]
    nsupdate(bind, "zone corp.test", line)
    assert dig(bind, NAME) == [], "the line that is printed removes exactly that record"


def test_a_dead_sibling(bind: NameServer, world: World) -> None:
    with http_host(description()) as port:
        records(bind, f"0 0 {port} kms01.corp.test.", f"0 0 {free_port()} kms02.corp.test.")
        told = {each.code: each for each in findings(world, port)}
        assert set(told) == {"PUBLISHED", "ANSWERS", "DEAD_TARGET"}
        assert "Connection refused" in told["DEAD_TARGET"].message
        assert "if that host is gone for good" in told["DEAD_TARGET"].fix


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (description(activated=False), "HOST_NOT_ACTIVATED"),
        (description(OTHER_ID), "ANOTHER_HOST_ANSWERS"),
        (b"<html>welcome</html>", "NOT_A_QUORATE_HOST"),
        (b"{" * 100_000, "NOT_A_QUORATE_HOST"),
    ],
)
def test_what_answers_at_our_own_name(bind: NameServer, world: World, body: bytes, code: str) -> None:
    with http_host(body) as port:
        records(bind, f"0 0 {port} kms01.corp.test.")
        assert [each[1] for each in found(world, port)] == ["PUBLISHED", code]


def test_a_record_that_the_resolver_does_not_see_yet(bind: NameServer, world: World, tmp_path: Path) -> None:
    # This machine's resolver has its own idea of the name (an old cache); the primary has our record.
    stale = "srv-host=_quorate._tcp.corp.test,kms02.corp.test,1688,0,0"
    records(bind, "0 0 1688 kms01.corp.test.")
    with dnsmasq(tmp_path, forward=bind, lines=[stale]) as resolver:
        behind = World(names_at(resolver))
        settings = behind.settings({"dns-server": bind.where})
        told = check_publication(settings, behind.names, say_hello, OWN_ID)
    assert (told[0].level, told[0].code) == ("warn", "NOT_SEEN_YET")


@pytest.mark.parametrize("status", [301, 404, 500])
def test_a_web_server_is_no_host(status: int) -> None:
    with http_host(b"", status) as port, pytest.raises(NotAQuorateHostError):
        say_hello("127.0.0.1", port)


def test_nobody_is_unreachable() -> None:
    with pytest.raises(HostUnreachableError, match="Connection refused"):
        say_hello("127.0.0.1", free_port())


# --- the commands --------------------------------------------------------------------------------------------------


@pytest.fixture
def command(world: World) -> Callable[..., tuple[int, str]]:
    """Runs `quorate host dns …` on this host; exit code and stdout."""
    publisher: DnsPublisher = world.publisher(world.settings())

    @contextmanager
    def open_publication(_: Path | None) -> Iterator[OpenedPublication]:
        yield OpenedPublication(world.settings(), publisher, world.names, say_hello, OWN_ID)

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(dns_app(open_publication), list(words))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    return run


def test_publish_check_and_withdraw_by_command(bind: NameServer, command: Callable[..., tuple[int, str]]) -> None:
    code, shown = command("publish", "--json")
    assert code == 0
    result = json.loads(shown)
    assert (result["result"], result["domain"], result["zone"]) == ("published", "corp.test", "corp.test")
    assert dig(bind, NAME) == ["0 0 1688 kms01.corp.test."]
    code, shown = command("check", "--json")
    assert code == 1, "nothing listens on the port, so the check fails"
    assert [json.loads(line)["code"] for line in shown.splitlines()] == ["PUBLISHED", "DEAD_TARGET"]
    code, shown = command("withdraw")
    assert code == 0
    assert "withdrawn" in shown
    assert dig(bind, NAME) == []


def test_a_failed_publish_exits_with_1(tmp_path: Path) -> None:
    with Bind(tmp_path, [Zone("corp.test", text=ZONE.format(zone="corp.test."))]).running() as static:
        world = World(names_at(static))
        publisher = world.publisher(world.settings())

        @contextmanager
        def open_publication(_: Path | None) -> Iterator[OpenedPublication]:
            yield OpenedPublication(world.settings(), publisher, world.names, say_hello, OWN_ID)

        done = CliRunner().invoke(dns_app(open_publication), ["publish", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["result"] == "DNS_UPDATES_NOT_OFFERED"
    assert "hint: " in done.stderr


def test_record_prints_every_form_or_one(command: Callable[..., tuple[int, str]]) -> None:
    code, shown = command("record", "--json")
    assert code == 0
    tools = [json.loads(line)["tool"] for line in shown.splitlines()]
    assert tools == [
        "zone-file",
        "nsupdate",
        "powershell",
        "dnscmd",
        "samba-tool",
        "pdnsutil",
        "knotc",
        "dnsmasq",
        "unbound",
    ]
    assert command("record", "--tool", "zone-file") == (
        0,
        "_quorate._tcp.corp.test. 3600 IN SRV 0 0 1688 kms01.corp.test.\n",
    )
    with pytest.raises(NotKnownError, match="there is no tool bind"):
        command("record", "--tool", "bind")


def test_every_command_ends_its_help_with_an_example(command: Callable[..., tuple[int, str]]) -> None:
    for each in ("publish", "withdraw", "check", "record"):
        assert f"Example: quorate host dns {each}" in command(each, "--help")[1]
