"""Administration as another machine reaches it: scopes, what is told without a token, lock-out, console, the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from quorate.core.admintoken import Scope
from quorate.core.armor import armored
from quorate.core.policy import DAY_S
from quorate.host.lockout import FAILURES_MAX, LOCKED_S
from tests.host.afar import AFAR, Afar, afar
from tests.support.hosting import certificate_for

READING = ["session", "status", "settings", "clients", "events", "requests"]
CHANGING = [
    ("PATCH", "settings", {"renewal-interval": 60}),
    ("POST", "install-key", {"product_key": "QHXXX-XXXXX-XXXXX-XXXXX-XXXXX"}),
    ("POST", "forget-key", None),
    ("POST", "request", None),
    ("POST", "activate", {}),
    ("POST", "uninstall", None),
    ("POST", "update", {}),
    ("POST", "dns/publish", None),
    ("POST", "dns/withdraw", None),
]


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Afar]:
    with afar(tmp_path) as host:
        yield host


def test_a_token_to_read_shows_everything_and_changes_nothing(there: Afar) -> None:
    token = there.token("bob", Scope.READ)
    for place in READING:
        assert there.ask("GET", f"/api/v1/{place}", token=token).status == 200, place
    assert there.ask("GET", "/api/v1/session", token=token).json == {"name": "bob", "scope": "read", "source": AFAR}
    stood = there.hosted.administration.shown_settings()
    for method, place, body in CHANGING:
        reply = there.ask(method, f"/api/v1/{place}", body, token=token)
        assert (reply.status, reply.problem.code) == (403, "SCOPE_MISSING"), place
    assert there.hosted.administration.shown_settings() == stood
    assert there.hosted.administration.status().activated
    assert [(row["actor"], row["code"]) for row in there.audit()] == [("bob", "SCOPE_MISSING")] * len(CHANGING)


@pytest.mark.parametrize(
    ("method", "place"), [*(("GET", place) for place in READING), *((m, p) for m, p, _ in CHANGING)]
)
def test_without_a_good_token_nothing_is_told_or_done(there: Afar, method: str, place: str) -> None:
    local = there.hosted.token  # good on the machine itself only
    for token in (None, "", "wrong", local):
        reply = there.ask(method, f"/api/v1/{place}", token=token)
        assert (reply.status, reply.problem.code, reply.headers["www-authenticate"]) == (401, "UNAUTHORIZED", "Bearer")
    cut = there.token("bob", Scope.OPERATE)[:-9]
    assert there.ask(method, f"/api/v1/{place}", token=cut).problem.code == "TOKEN_DAMAGED"


def test_health_and_metrics_tell_others_no_more_than_they_must_know(there: Afar) -> None:
    token = there.token("monitor", Scope.READ)
    assert there.ask("GET", "/livez").json == {"alive": True}
    assert there.ask("GET", "/readyz").json == {"ready": True, "checks": []}
    assert len(there.ask("GET", "/readyz", token=token).json["checks"]) > 5
    assert there.ask("GET", "/readyz", token="wrong").status == 401
    assert there.ask("GET", "/metrics").status == 401
    assert b"quorate_host_activation_count" in there.ask("GET", "/metrics", token=token).body
    assert there.ask("GET", "/metrics", source="127.0.0.1").status == 200


def test_a_token_ends_when_its_time_is_over_or_it_is_taken_away(there: Afar) -> None:
    clock = there.hosted.clock
    soon = there.token("soon", Scope.READ, clock.now_s() + DAY_S)
    gone = there.token("gone", Scope.READ)
    assert there.ask("GET", "/api/v1/status", token=soon).status == 200
    clock.advance(DAY_S)
    there.hosted.administration.remove_token("gone")
    replies = [there.ask("GET", "/api/v1/status", token=each) for each in (soon, gone)]
    assert [(reply.status, reply.problem.code) for reply in replies] == [(401, "UNAUTHORIZED")] * 2
    assert replies[0].body == replies[1].body, "which of them it was is the host's to know"
    assert [(row["actor"], row["action"]) for row in there.audit()] == [("soon", "sign-in"), ("gone", "sign-in")]


def test_too_many_wrong_tokens_lock_one_source_for_a_quarter_of_an_hour(there: Afar) -> None:
    token = there.token("alice", Scope.OPERATE)
    for _ in range(FAILURES_MAX):
        assert there.ask("GET", "/api/v1/status", token="wrong").status == 401
    locked = there.ask("GET", "/api/v1/status", token="wrong")
    assert (locked.status, locked.problem.code, locked.headers["retry-after"]) == (429, "LOCKED_OUT", str(LOCKED_S))
    assert there.ask("GET", "/api/v1/status", token="wrong", source="10.0.0.8").status == 401
    page = there.ask("POST", "/sign-in", raw=b"token=wrong")
    assert (page.status, page.headers["retry-after"]) == (429, str(LOCKED_S))
    # Who stands behind the same address with a right one is let in all the same.
    assert there.ask("GET", "/api/v1/status", token=token).status == 200
    assert there.ask("POST", "/sign-in", raw=f"token={token}".encode()).status == 303
    assert there.ask("GET", "/livez").status == 200
    there.hosted.clock.advance(LOCKED_S)
    assert there.ask("GET", "/api/v1/status", token="wrong").status == 401
    [event] = there.hosted.administration.events(12316)
    assert (event["source"], event["failures"], event["locked_s"], event["level"]) == (AFAR, 10, LOCKED_S, "error")


@pytest.mark.parametrize("host", ["a b", "kms01.contoso.example:x", "kms01.contoso.example:1689.evil.example"])
def test_a_host_header_that_names_none_is_refused_from_afar_too(there: Afar, host: str) -> None:
    assert there.ask("GET", "/livez", headers={"host": host}).status == 421


# --- changes ---------------------------------------------------------------------------------------------------------


def test_each_change_says_who_from_where_and_what(there: Afar) -> None:
    token = there.token("alice", Scope.OPERATE)
    changed = there.ask("PATCH", "/api/v1/settings", {"renewal-interval": 60, "dns-ttl": 120}, token=token)
    assert changed.json == {"renewal-interval": 60, "dns-ttl": 120}
    refused = there.ask("PATCH", "/api/v1/settings", {"renewal-interval": 14, "dns-ttl": 240}, token=token)
    assert refused.problem.code == "INVALID_SETTING"
    assert there.ask("PATCH", "/api/v1/settings", {"colour": "red"}, token=token).status == 400
    first, second, third = there.audit()
    assert (first["actor"], first["source"], first["action"], first["level"]) == (
        "alice",
        AFAR,
        "settings",
        "information",
    )
    assert first["message"] == "renewal-interval: 10080 -> 60; dns-ttl: 3600 -> 120"
    assert list(first["changes"]) == [
        {"name": "renewal-interval", "before": "10080", "after": "60"},
        {"name": "dns-ttl", "before": "3600", "after": "120"},
    ]
    assert (second["code"], list(second["changes"])) == ("INVALID_SETTING", [])
    assert "14 is outside 15..43200" in second["message"]
    assert "there is no such setting" in third["message"]


def test_from_the_key_to_the_activation_over_the_network(tmp_path: Path) -> None:
    with afar(tmp_path, activated=False) as there:
        token, world = there.token("alice", Scope.OPERATE), there.hosted.world
        key = world.product_key
        wrong = there.ask("POST", "/api/v1/install-key", {"product_key": key.text[:-1] + "2"}, token=token)
        assert wrong.problem.code == "PRODUCT_KEY_INVALID"
        missing = there.ask("POST", "/api/v1/request", token=token)
        assert (missing.status, missing.problem.code) == (409, "HOST_KEY_MISSING")
        installed = there.ask("POST", "/api/v1/install-key", {"product_key": key.text}, token=token)
        assert installed.json == {"product_key_last_five": key.last_five}
        asked = there.ask("POST", "/api/v1/request", token=token).json
        certificate = certificate_for(world, asked["request"], there.hosted.clock.now_s())
        assert there.ask("POST", "/api/v1/activate", token=token).problem.code == "PUBLISHER_UNKNOWN"
        both = {"confirmation": certificate, "publisher_url": "https://x"}
        assert there.ask("POST", "/api/v1/activate", both, token=token).status == 400
        damaged = there.ask("POST", "/api/v1/activate", {"confirmation": armored(certificate)[:-200]}, token=token)
        assert damaged.status == 400
        done = there.ask("POST", "/api/v1/activate", {"confirmation": armored(certificate)}, token=token)
        assert done.json["customer"] == "Contoso"
        assert there.ask("GET", "/api/v1/status", token=token).json["activated"]
        assert there.ask("POST", "/api/v1/forget-key", token=token).json == {"removed": True}
        assert there.ask("POST", "/api/v1/forget-key", token=token).json == {"removed": False}
        assert there.ask("POST", "/api/v1/uninstall", token=token).json == {"removed": True}
        assert there.ask("POST", "/api/v1/uninstall", token=token).problem.code == "HOST_KEY_MISSING"
        rows = there.audit()
        assert [(row["action"], row["code"]) for row in rows] == [
            ("install-key", "PRODUCT_KEY_INVALID"),
            ("request", "HOST_KEY_MISSING"),
            ("install-key", None),
            ("request", None),
            ("activate", "PUBLISHER_UNKNOWN"),
            ("activate", "TEXT_DAMAGED"),
            ("activate", None),
            ("forget-key", None),
            ("forget-key", None),
            ("uninstall", None),
            ("uninstall", "HOST_KEY_MISSING"),
        ]
        assert {row["actor"] for row in rows} == {"alice"}
        assert key.last_five in rows[2]["message"]
        everything = repr(there.hosted.administration.events(None, None, 1000))
        for secret in (key.text, token, there.hosted.token, certificate):
            assert secret not in everything


def test_papers_of_the_publisher_are_taken_over_the_network(there: Afar) -> None:
    token, world = there.token("alice", Scope.OPERATE), there.hosted.world
    files = {"files": [{"name": "acme-cad.product", "text": world.product_token}]}
    taken = there.ask("POST", "/api/v1/update", files, token=token)
    assert (taken.json["products"], taken.json["activated"]) == ([world.product.product], True)
    wrong = there.ask("POST", "/api/v1/update", {"files": [{"name": "x.txt", "text": "hello"}]}, token=token)
    assert "x.txt" in wrong.problem.detail
    assert there.ask("POST", "/api/v1/update", {}, token=token).problem.code == "PUBLISHER_UNKNOWN"
    large = {"files": [{"name": "x", "text": "x" * (4 * 1024 * 1024)}]}
    assert there.ask("POST", "/api/v1/update", large, token=token).problem.code == "REQUEST_TOO_LARGE"


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"', b'{"product_key": 5}', b'{"key": "x"}', b"\xff", b'{"a":' * 2000])
def test_a_body_that_is_none_is_refused(there: Afar, raw: bytes) -> None:
    token = there.token("alice", Scope.OPERATE)
    reply = there.ask("POST", "/api/v1/install-key", token=token, raw=raw)
    assert (reply.status, reply.problem.code) == (400, "MALFORMED_REQUEST")


def test_dns_is_looked_at_to_read_and_changed_to_operate(there: Afar) -> None:
    token = there.token("alice", Scope.OPERATE)
    there.hosted.administration.set_settings({"dns-target": "kms01.quorate.invalid", "dns-server": "127.0.0.1:1"})
    published = there.ask("POST", "/api/v1/dns/publish", token=token)
    [result] = published.json["results"]
    assert (published.status, result["action"], result["domain"]) == (200, "publish", "quorate.invalid")
    assert result["code"] is not None  # no name server is there
    [row] = there.audit()
    assert (row["action"], row["actor"]) == ("dns-publish", "alice")
    assert row["message"].startswith("not published in DNS: quorate.invalid (DNS_")


# --- the console -----------------------------------------------------------------------------------------------------


def signed_in(there: Afar, token: str) -> str:
    reply = there.ask("POST", "/sign-in", raw=f"token={token}".encode())
    assert reply.status == 303, reply.body
    parts = {part.strip() for part in reply.headers["set-cookie"].split(";")}
    assert {"HttpOnly", "Secure", "SameSite=strict"} <= parts
    return reply.headers["set-cookie"].split(";")[0]


def test_a_token_to_read_opens_the_console_and_its_cookie_nothing_else(there: Afar) -> None:
    cookie = {"cookie": signed_in(there, there.token("bob", Scope.READ))}
    for page in ("/", "/clients", "/events"):
        assert there.ask("GET", page, headers=cookie).status == 200
    for method, place, body in CHANGING:
        assert there.ask(method, f"/api/v1/{place}", body, headers=cookie).status == 401, place
    assert there.ask("GET", "/api/v1/status", headers=cookie).status == 401
    there.hosted.administration.remove_token("bob")
    assert there.ask("GET", "/", headers=cookie).status == 401


def test_a_cookie_to_operate_is_no_token_either_so_no_page_elsewhere_can_use_it(there: Afar) -> None:
    cookie = signed_in(there, there.token("alice", Scope.OPERATE))
    headers = {"cookie": cookie, "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    for method, place, body in CHANGING:
        assert there.ask(method, f"/api/v1/{place}", body, headers=headers).status == 401, place
    assert there.hosted.administration.settings().renewal_interval_min == 10_080


def test_a_form_of_another_site_signs_nobody_in_or_out(there: Afar) -> None:
    token = there.token("alice", Scope.OPERATE)
    foreign = {"sec-fetch-site": "cross-site"}
    reply = there.ask("POST", "/sign-in", raw=f"token={token}".encode(), headers=foreign)
    assert (reply.status, "set-cookie" in reply.headers) == (403, False)
    out = there.ask("POST", "/sign-out", headers=foreign | {"cookie": signed_in(there, token)})
    assert "set-cookie" not in out.headers


def test_the_console_takes_no_token_from_an_address_and_not_the_machines_own(there: Afar) -> None:
    token = there.token("bob", Scope.READ)
    page = there.ask("GET", f"/?token={token}")
    assert (page.status, "set-cookie" in page.headers) == (401, False)
    assert b"quorate host token add" in page.body
    assert str(there.hosted.state_dir).encode() not in page.body
    wrong: list[Any] = [there.hosted.token, "wrong", token[:40]]
    for each in wrong:
        reply = there.ask("POST", "/sign-in", raw=f"token={each}".encode())
        assert (reply.status, "set-cookie" in reply.headers) == (401, False)
    assert b"cut off" in there.ask("POST", "/sign-in", raw=f"token={token[:40]}".encode()).body


# --- described -------------------------------------------------------------------------------------------------------


def test_every_route_of_the_api_is_described_with_its_method(there: Afar) -> None:
    assert isinstance(there.application, Starlette)
    routes = [route for route in there.application.routes if isinstance(route, Route)]
    served = {
        (route.path, method)
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
        if route.path.startswith("/api/v1/")
    }
    document = there.ask("GET", "/api/openapi.json").json
    described = {
        (path, method.upper())
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/api/v1/")
    }
    assert served == described
    shapes = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                assert content["schema"]["$ref"].rpartition("/")[2] in shapes


FILES = ["admin-tls-cert", "admin-tls-key", "dns-tsig-key", "dns-keytab", "publisher-ca-file", "export-file"]
HERE = [
    "127.0.0.1:1690",
    "localhost",
    "[::1]",
    "169.254.169.254",
    "[fe80::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "a.localhost.",
]


@pytest.mark.parametrize("name", FILES)
def test_a_token_names_no_file_of_the_hosts_machine(there: Afar, tmp_path: Path, name: str) -> None:
    token = there.token("alice", Scope.OPERATE)
    for path in (tmp_path / "missing", Path("/etc/shadow"), tmp_path / ".bashrc"):
        reply = there.ask("PATCH", "/api/v1/settings", {name: str(path)}, token=token)
        assert (reply.status, reply.problem.code) == (403, "SET_ON_MACHINE_ONLY")
        assert str(path) not in reply.body.decode(), "whether it is there is not told either"
        assert not (tmp_path / ".bashrc").exists()
    assert there.hosted.administration.shown_settings()[name] == ""
    assert there.ask("PATCH", "/api/v1/settings", {name: None}, token=token).status == 200
    assert "SET_ON_MACHINE_ONLY" in [row["code"] for row in there.audit()]


@pytest.mark.parametrize("where", HERE)
def test_a_token_sends_nothing_to_the_hosts_own_programs(there: Afar, where: str) -> None:
    token = there.token("alice", Scope.OPERATE)
    asked = [
        ("PATCH", "settings", {"publisher-url": f"https://{where}/"}),
        ("PATCH", "settings", {"publisher-url": f"http://{where}/", "publisher-insecure-http": "on"}),
        ("POST", "activate", {"publisher_url": f"http://{where}/"}),
        ("PATCH", "settings", {"export-syslog": f"tcp://{where.partition(':1690')[0]}:6379"}),
    ]
    for method, place, body in asked:
        reply = there.ask(method, f"/api/v1/{place}", body, token=token)
        assert (reply.status, reply.problem.code) == (403, "SET_ON_MACHINE_ONLY"), body
    elsewhere = {"publisher-url": "https://activation.acme.example", "export-syslog": "udp://log.contoso.example"}
    assert there.ask("PATCH", "/api/v1/settings", elsewhere, token=token).status == 200
    assert there.ask("PATCH", "/api/v1/settings", {"export-syslog": "local"}, token=token).status == 200
