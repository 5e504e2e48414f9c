"""The administration listener: health that can fail, metrics, and what the commands do, behind a token."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import StreamingResponse

from quorate.core.policy import DAY_S
from quorate.host.admin_http import ROWS_AT_ONCE, streamed_answer
from tests.support.documents import CLIENT_EDITION, SERVER_EDITION, cmid_of
from tests.support.hosting import BOUND_S, Hosted, hosting


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Hosted]:
    with hosting(tmp_path) as running:
        yield running


def failing(host: Hosted) -> list[str]:
    return [check["name"] for check in host.admin("/readyz").json["checks"] if not check["ok"]]


def test_health_is_open_and_says_how_it_is(host: Hosted) -> None:
    assert host.http("GET", "/livez", port=host.admin_port).json == {"alive": True}
    ready = host.http("GET", "/readyz", port=host.admin_port)
    assert (ready.status, ready.json["ready"]) == (200, True)
    assert {check["name"] for check in ready.json["checks"]} == {
        "activated", "certificate", "listening", "writer", "store", "queue", "disk", "dns", "forecast",
        "configuration", "admin-tls", "export", "events", "clock", "inventory",
    }  # fmt: skip


def test_a_host_without_certificate_in_force_is_not_ready_and_says_why(tmp_path: Path) -> None:
    with hosting(tmp_path / "new", activated=False) as host:
        assert failing(host) == ["activated"]
    with hosting(tmp_path / "old") as host:
        host.clock.advance(730 * DAY_S)
        ready = host.admin("/readyz")
        assert ready.status == 503
        assert "HOST_CERTIFICATE_EXPIRED" in ready.json["checks"][0]["reason"]


def test_a_disk_that_is_nearly_full_is_not_ready(tmp_path: Path) -> None:
    with hosting(tmp_path, disk_free_min=2**62) as host:
        assert failing(host) == ["disk"]


def test_a_dead_writer_is_neither_alive_nor_ready(host: Hosted) -> None:
    host.server.writer.stop()
    assert host.server.writer.join(20)
    assert host.admin("/livez").status == 503
    assert failing(host) == ["writer"]
    reply = host.post(host.request(1))
    assert (reply.status, reply.problem.code) == (503, "HOST_STOPPING")


@pytest.mark.parametrize("path", ["status", "settings", "clients", "events", "requests"])
@pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer wrong", "Basic dXNlcjpwYXNz", "Bearer \u00e9"])
def test_without_the_token_nothing_is_told(host: Hosted, path: str, given: str | None) -> None:
    headers = {} if given is None else {"authorization": given}
    reply = host.http("GET", f"/api/v1/{path}", headers=headers, port=host.admin_port)
    assert (reply.status, reply.problem.code, reply.headers["www-authenticate"]) == (401, "UNAUTHORIZED", "Bearer")


def test_the_token_is_in_a_file_only_its_owner_reads(host: Hosted) -> None:
    token = host.state_dir / "admin.token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(host.token) == 43


GOOD_HOSTS = ["localhost", "127.0.0.1:1", "[::1]:1689", "LOCALHOST:1689", "[::1]"]
FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:1689",
    "127.0.0.1:1689.evil.com",
    "localhost:1689.evil.com",
    "localhost.",
]
FOREIGN_HOSTS += [
    "[::1].evil.com",
    "[::1]:1689.evil.com",
    "x[::1]",
    "localhost:",
    "localhost:x",
    "::1",
    "127.0.0.1@evil.com",
]
FOREIGN_HOSTS += [
    "localhost, evil.example",
    "localhost/",
    "2130706433",
    "evil.example:localhost",
    "localhost:1689:1689",
]


@pytest.mark.parametrize("path", ["/api/v1/status", "/livez", "/", "/console.css"])
def test_a_web_page_cannot_reach_it_through_a_name_of_its_own(host: Hosted, path: str) -> None:
    for name in GOOD_HOSTS:
        assert host.admin(path, headers={"host": name}).status in (200, 401), name
    for name in FOREIGN_HOSTS:
        reply = host.admin(path, headers={"host": name})
        assert (reply.status, reply.problem.code) == (421, "MISDIRECTED_REQUEST"), name


@pytest.mark.parametrize(
    "headers", [b"", b"Host:\r\n", b"Host: localhost\r\nHost: evil.example\r\n", b"host: localhost\r\n" * 2]
)
def test_without_exactly_one_host_header_nobody_is_answered(host: Hosted, headers: bytes) -> None:
    for version in (b"1.1", b"1.0"):
        with socket.create_connection(("127.0.0.1", host.admin_port), BOUND_S) as connection:
            connection.sendall(b"GET /livez HTTP/%s\r\n%sconnection: close\r\n\r\n" % (version, headers))
            said = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert re.findall(rb"HTTP/1\.[01] (\d+)", said) == [b"400"]


@pytest.mark.parametrize(
    ("method", "place", "body"),
    [
        ("PATCH", "settings", b'{"renewal-interval": 20160, "renewal-interval": 43200}'),
        ("PATCH", "settings", b'{"renewal-interval": 20160, "renewal\\u002dinterval": 43200}'),
        ("POST", "install-key", b'{"product_key": "x", "product_key": "%s"}'),
        ("POST", "activate", b'{"publisher_url": "https://a.example", "publisher_url": "https://b.example"}'),
        ("POST", "update", b'{"files": [{"name": "a", "name": "b", "text": "x"}]}'),
        ("POST", "update", b'{"files": [], "files": []}'),
    ],
)
def test_a_member_that_stands_twice_is_refused_as_everywhere(
    host: Hosted, method: str, place: str, body: bytes
) -> None:
    headers = {"authorization": f"Bearer {host.token}"}
    reply = host.http(method, f"/api/v1/{place}", body, headers, host.admin_port)
    assert (reply.status, reply.problem.code) == (400, "MALFORMED_REQUEST")
    assert "twice" in reply.problem.detail
    assert host.administration.settings().renewal_interval_min == 10_080


def test_status_shows_the_host_at_a_glance(host: Hosted) -> None:
    for number in range(1, 4):
        host.activate(number)
    host.activate(4, SERVER_EDITION)
    status = host.admin("/api/v1/status").json
    assert status["activated"]
    assert (status["customer"], status["product_groups"]) == ("Contoso", ["acme"])
    assert status["counts"]["acme"]["client"] == {"current": 4, "threshold": 25, "counted": ["server", "client"]}
    assert status["counts"]["acme"]["server"] == {"current": 1, "threshold": 5, "counted": ["server"]}
    assert status["machines"]["acme"] == {"server": 1, "client": 3, "ephemeral": 0}
    assert status["requests"]["total"] == status["requests"]["initial_grace"] == 4
    assert status["certificate_expires_s"] == host.clock.now_s() + 730 * DAY_S
    assert status["product_key_last_five"] == host.world.product_key.last_five
    assert (status["port"], status["admin_port"], status["running"]) == (host.port, host.admin_port, True)
    assert (status["activation_interval_min"], status["renewal_interval_min"]) == (120, 10_080)


def test_settings_are_changed_together_and_explained(host: Hosted) -> None:
    assert host.admin("/api/v1/settings").json["priority"] == "normal"
    changed = host.admin("/api/v1/settings", "PATCH", {"activation-interval": 60, "dns-publishing": False})
    assert changed.json == {"activation-interval": 60, "dns-publishing": "off"}
    back = host.admin("/api/v1/settings", "PATCH", {"activation-interval": None})
    assert back.json == {"activation-interval": 120}
    wrong: list[Any] = [{"activation-interval": 1}, {"colour": 60}, {"port": True}, {"port": 1.5}, [], {"x": {}}]
    for each in wrong:
        reply = host.admin("/api/v1/settings", "PATCH", each)
        assert reply.status == 400, each
        assert reply.problem.hint


def test_the_inventory_comes_in_pages_and_can_be_searched(host: Hosted) -> None:
    for number in range(1, 6):
        host.activate(number, CLIENT_EDITION, vm=number == 5)
    first = host.admin("/api/v1/clients?limit=3").json
    rest = host.admin(f"/api/v1/clients?limit=3&after={first['next']}").json
    assert [row["cmid"] for row in first["clients"] + rest["clients"]] == [cmid_of(number) for number in range(1, 6)]
    assert rest["next"] is None
    [found] = host.admin("/api/v1/clients?search=PC-0005").json["clients"]
    assert (found["class"], found["flags"], found["first_seen_s"]) == ("client", ["vm"], host.clock.now_s())
    for query in ("limit=0", "limit=x", "limit=99999", "after=nonsense", "after=acme/xyz"):
        assert host.admin(f"/api/v1/clients?{query}").status == 400, query


def test_events_are_numbered_and_can_be_followed(host: Hosted) -> None:
    host.activate(1)
    host.activate(2)
    [first, second] = host.admin("/api/v1/events?id=12290").json["events"]
    assert (first["event_id"], first["code"], first["level"]) == (12290, "COUNT_INSUFFICIENT", "error")
    assert first["info"].startswith("0xC004F038,25,pc-0001.contoso.example,")
    assert host.admin(f"/api/v1/events?id=12290&after={first['id']}").json["events"] == [second]
    assert host.admin("/api/v1/events?id=12291").json["events"] == []


def test_metrics_count_answers_faults_and_machines(host: Hosted) -> None:
    host.activate(1)
    host.http("POST", "/v1/activate", b"{")
    lines = host.http("GET", "/metrics", port=host.admin_port).body.decode().splitlines()
    assert 'quorate_host_answers_total{code="COUNT_INSUFFICIENT"} 1.0' in lines
    assert 'quorate_host_faults_total{code="MALFORMED_REQUEST"} 1.0' in lines
    assert 'quorate_host_activation_count{class="client",group="acme"} 1.0' in lines
    assert "quorate_host_batch_requests_count 1.0" in lines


def test_openapi_describes_exactly_the_routes_there_are(host: Hosted) -> None:
    document = host.http("GET", "/api/openapi.json", port=host.admin_port).json
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method in operations:
            reply = host.http(method.upper(), path, port=host.admin_port)
            assert reply.status == (401 if path.startswith("/api/v1/") else 200), (method, path)
    described = {path for path in document["paths"] if path.startswith("/api/v1/")}
    assert described == {
        f"/api/v1/{name}"
        for name in (
            *("session", "status", "settings", "clients", "events", "requests", "install-key", "forget-key", "request"),
            *("activate", "uninstall", "update", "dns/publish", "dns/withdraw", "dns/check"),
        )
    }
    refs = {
        operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if path != "/metrics"
    }
    assert refs <= set(document["components"]["schemas"])
    status = document["components"]["schemas"]["HostStatus"]["properties"]
    assert set(status) == set(host.admin("/api/v1/status").json)


def test_what_is_not_there_is_a_problem_too(host: Hosted) -> None:
    assert host.admin("/api/v1/nothing").problem.code == "NOT_FOUND"
    wrong = host.admin("/api/v1/status", "POST", {})
    assert (wrong.status, wrong.problem.code) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in wrong.headers["allow"]
    large = host.admin("/api/v1/settings", "PATCH", {"port": "1" * 70_000})
    assert (large.status, large.problem.code) == (413, "REQUEST_TOO_LARGE")


@pytest.mark.parametrize("number", [0, 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 3 * ROWS_AT_ONCE, 1001])
def test_a_list_is_sent_while_it_is_read(number: int) -> None:
    """Whatever its length, a hundred rows are in memory; ten thousand events took 649 MB."""
    taken: list[int] = []

    def rows() -> Iterator[int]:
        for each in range(number):
            taken.append(each)
            yield each

    async def sent() -> bytes:
        response = await streamed_answer(b'{"rows":[', rows(), lambda: b'],"read":%d}' % len(taken))
        assert len(taken) <= ROWS_AT_ONCE
        assert isinstance(response, StreamingResponse)
        body = b""
        async for part in response.body_iterator:
            body += bytes(part) if not isinstance(part, str) else part.encode()
            assert len(taken) <= body.count(b",") + ROWS_AT_ONCE + 1
        return body

    assert json.loads(asyncio.run(sent())) == {"rows": list(range(number)), "read": number}


def test_a_page_of_thousands_is_whole(host: Hosted) -> None:
    for number in range(1, 251):
        host.activate(number)
    events = host.admin("/api/v1/events?limit=10000&id=12290").json["events"]
    assert len(events) == 250
    assert host.admin("/api/v1/events?limit=120&id=12290").json["events"] == events[-120:]
    assert host.admin(f"/api/v1/events?limit=120&id=12290&after={events[9]['id']}").json["events"] == events[10:130]
    page = host.admin("/api/v1/clients?limit=250").json
    assert (len(page["clients"]), page["next"] is None) == (250, False)
    assert host.admin(f"/api/v1/clients?limit=250&after={page['next']}").json == {"clients": [], "next": None}
