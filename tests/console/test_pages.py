"""The console over HTTP: who may look, what is shown, and that a machine's name can never become markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.host.console.pages import COOKIE
from tests.support.documents import SERVER_EDITION
from tests.support.hosting import Hosted, Reply, hosting


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Hosted]:
    with hosting(tmp_path) as hosted:
        yield hosted


def look(host: Hosted, path: str, cookie: str | None = None) -> Reply:
    return host.http("GET", path, headers={} if cookie is None else {"cookie": cookie}, port=host.admin_port)


def signed_in(host: Hosted) -> str:
    reply = host.http(
        "POST",
        "/sign-in",
        f"token={host.token}".encode(),
        {"content-type": "application/x-www-form-urlencoded"},
        host.admin_port,
    )
    assert reply.status == 303
    return reply.headers["set-cookie"].split(";")[0]


@pytest.mark.parametrize("path", ["/", "/clients", "/events", "/?token=wrong"])
def test_nobody_sees_anything_without_the_token(host: Hosted, path: str) -> None:
    host.activate(1)
    reply = look(host, path)
    assert reply.status == 401
    assert b"pc-0001" not in reply.body
    assert b"admin.token" in reply.body  # it says where the token is


def test_a_wrong_token_and_a_made_up_cookie_open_nothing(host: Hosted) -> None:
    wrong = host.http("POST", "/sign-in", b"token=guess", port=host.admin_port)
    assert (wrong.status, "set-cookie" in wrong.headers) == (401, False)
    assert host.http("POST", "/sign-in", b"token=" + b"x" * 10_000, port=host.admin_port).status == 401
    assert look(host, "/", f"{COOKIE}={host.token}").status == 401  # the token itself is no cookie


def test_a_cookie_is_worth_nothing_after_the_sign_out(host: Hosted) -> None:
    cookie, other = signed_in(host), signed_in(host)
    assert look(host, "/", cookie).status == 200
    out = host.http("POST", "/sign-out", headers={"cookie": cookie}, port=host.admin_port)
    assert out.status == 303
    assert look(host, "/", cookie).status == 401
    assert look(host, "/", other).status == 200


FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"referer": "https://evil.example/page"},
    {"referer": "http://127.0.0.1.evil.example/"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: "-".join(*headers.items()))
def test_a_link_or_form_on_anothers_page_signs_nobody_in_or_out(host: Hosted, headers: dict[str, str]) -> None:
    linked = host.http("GET", f"/?token={host.token}", headers=headers, port=host.admin_port)
    assert (linked.status, "set-cookie" in linked.headers) == (403, False)
    sent = host.http("POST", "/sign-in", f"token={host.token}".encode(), headers, host.admin_port)
    assert (sent.status, "set-cookie" in sent.headers) == (403, False)
    cookie = signed_in(host)
    host.http("POST", "/sign-out", headers=headers | {"cookie": cookie}, port=host.admin_port)
    assert look(host, "/", cookie).status == 200


def test_its_own_pages_and_the_address_bar_sign_in(host: Hosted) -> None:
    own = f"http://127.0.0.1:{host.admin_port}"
    for headers in (
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin"},
        {"origin": own},
        {"referer": own + "/x"},
    ):
        assert host.http("GET", f"/?token={host.token}", headers=headers, port=host.admin_port).status == 303


def test_the_cookie_is_not_the_token_and_scripts_cannot_read_it(host: Hosted) -> None:
    reply = look(host, f"/?token={host.token}")
    assert reply.headers["location"] == "/"  # the address bar forgets the token
    assert host.token not in reply.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in reply.headers["set-cookie"].split(";")}


def test_the_overview_tells_count_and_threshold(host: Hosted) -> None:
    for number in range(1, 19):
        host.activate(number)
    page = " ".join(look(host, "/", signed_in(host)).body.decode().split())
    assert "This KMS host is activated" in page
    assert "18<small> of 25 needed" in page
    assert "7 more machines must ask" in page
    for number in range(19, 26):
        host.activate(number)
    assert "Activation works." in look(host, "/", signed_in(host)).body.decode()


def test_a_host_that_is_not_activated_says_why_at_the_top(tmp_path: Path) -> None:
    with hosting(tmp_path, activated=False) as host:
        page = look(host, "/", signed_in(host)).body.decode()
    assert "This KMS host activates nobody" in page


def test_machines_are_found_by_name_and_events_are_listed(host: Hosted) -> None:
    host.activate(1)
    host.activate(2, SERVER_EDITION)
    cookie = signed_in(host)
    everything = look(host, "/clients", cookie).body.decode()
    assert "pc-0001" in everything
    assert "pc-0002" in everything
    found = look(host, "/clients?search=pc-0002", cookie).body.decode()
    assert "pc-0002" in found
    assert "pc-0001" not in found
    assert "No machine matches" in look(host, "/clients?search=nobody", cookie).body.decode()
    assert look(host, "/events", cookie).body.decode().count("activation request handled") == 2


def test_a_machine_name_never_becomes_markup(host: Hosted) -> None:
    host.activate(1, machine="<script>alert(1)</script>")
    cookie = signed_in(host)
    for path in ("/", "/clients", "/events", "/clients?search=%3Cscript%3E"):
        page = look(host, path, cookie).body
        assert b"<script" not in page
        assert b"&lt;script&gt;" in page


def test_pages_load_nothing_from_elsewhere_and_may_not(host: Hosted) -> None:
    cookie = signed_in(host)
    for path in ("/", "/clients", "/events"):
        reply = look(host, path, cookie)
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert set(re.findall(r'(?:src|href|action)="([^"/#][^"]*)"', reply.body.decode())) == set()
    assert look(host, "/console.css").headers["content-type"].startswith("text/css")


def test_signing_out_takes_the_cookie_back(host: Hosted) -> None:
    reply = host.http("POST", "/sign-out", b"", {"cookie": signed_in(host)}, host.admin_port)
    assert reply.status == 303
    assert f'{COOKIE}=""' in reply.headers["set-cookie"]
