"""Administration over TLS, on real sockets: what is served, what is refused, and a certificate that is exchanged."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from quorate.clock import SystemClock
from quorate.core.policy import DAY_S
from quorate.errors import AdminNotEncryptedError, FilePermissionsError, QuorateError, TlsUnusableError
from quorate.host.admin.administration import Administration
from quorate.host.admin_api.server import CROWD_MAX
from quorate.host.https.certificate import TlsFiles, load_tls, try_tls
from quorate.host.settings.networks import is_loopback
from quorate.host.settings.paths import StatePaths
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import World
from tests.support.hosting import BOUND_S, Hosted, Reply, hosting, make_host, running
from tests.support.tlspair import TlsPair, make_pair

NOW_S = SystemClock().now_s()
EVERYWHERE = "0.0.0.0"  # noqa: S104  (what is refused here)


def get(host: Hosted, believed: Path | None, path: str = "/api/v1/status", token: str | None = None) -> Reply:
    """One request over TLS, as any client makes it."""
    context = ssl.create_default_context(cafile=None if believed is None else str(believed))
    connection = http.client.HTTPSConnection("127.0.0.1", host.admin_port, timeout=BOUND_S, context=context)
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {token or host.token}"})
        response = connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def shown(host: Hosted) -> bytes | None:
    """The certificate that is shown now; None where there is no TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", host.admin_port), BOUND_S) as plain:
        plain.settimeout(BOUND_S)
        with context.wrap_socket(plain) as encrypted:
            return encrypted.getpeercert(binary_form=True)
    return None


def der(pair: TlsPair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.cert.read_text())


def settled(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(BOUND_S * 40)):
        if condition():
            return
        pause.wait(0.05)
    pytest.fail("it did not come to that")


@pytest.fixture
def pair(tmp_path: Path) -> TlsPair:
    return make_pair(tmp_path)


@pytest.fixture
def host(tmp_path: Path, pair: TlsPair) -> Iterator[Hosted]:
    with hosting(tmp_path / "state", clock=ManualClock(NOW_S), settings=pair.settings) as hosted:
        yield hosted


def test_administration_is_served_over_tls(host: Hosted, pair: TlsPair) -> None:
    assert get(host, pair.cert).json["activated"]
    assert host.server.admin_url == f"https://127.0.0.1:{host.admin_port}/"
    assert host.post(host.request(1)).status == 200, "clients ask as before"


def test_a_certificate_that_is_not_known_is_not_believed(host: Hosted, tmp_path: Path) -> None:
    foreign = make_pair(tmp_path, "foreign")
    for believed in (None, foreign.cert):
        with pytest.raises(ssl.SSLCertVerificationError):
            get(host, believed)


def test_plain_http_to_the_tls_port_gets_no_answer_and_harms_nobody(host: Hosted, pair: TlsPair) -> None:
    for sent in (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\x00" * 70_000,
        b"\x00",
        b"",
    ):
        with socket.create_connection(("127.0.0.1", host.admin_port), BOUND_S) as plain:
            plain.settimeout(BOUND_S)
            answer = b""
            with contextlib.suppress(ConnectionError):
                plain.sendall(sent)
            with contextlib.suppress(OSError):  # "not connected", where the host was faster
                plain.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                answer = plain.recv(1000)
            assert not answer.startswith(b"HTTP")
    assert get(host, pair.cert).status == 200


def test_old_versions_of_tls_are_refused(host: Hosted) -> None:
    hello = bytes.fromhex("0302" + "11" * 32 + "00" + "0002" + "002f" + "0100")  # TLS 1.1, one cipher of its time
    record = b"\x16\x03\x01" + (len(hello) + 4).to_bytes(2) + b"\x01" + len(hello).to_bytes(3) + hello
    with socket.create_connection(("127.0.0.1", host.admin_port), BOUND_S) as plain:
        plain.settimeout(BOUND_S)
        plain.sendall(record)
        assert plain.recv(7)[:1] == b"\x15", "an alert"


def test_silent_connections_are_shed_before_the_clients_miss_what_they_hold(host: Hosted, pair: TlsPair) -> None:
    with contextlib.ExitStack() as silent:
        held = []
        for _ in range(CROWD_MAX + 20):
            plain = socket.create_connection(("127.0.0.1", host.admin_port), BOUND_S)
            plain.settimeout(BOUND_S)
            held.append(silent.enter_context(plain))
        for plain in held[:CROWD_MAX]:  # those that came after it hung up may stay
            with contextlib.suppress(ConnectionResetError):
                assert plain.recv(1) == b"", "the host hangs up"
    assert get(host, pair.cert).status == 200
    assert host.post(host.request(1)).status == 200


# --- exchanged while it runs -----------------------------------------------------------------------------------------


def replace(pair: TlsPair, by: TlsPair) -> None:
    """As a renewal does: both files, one after the other."""
    by.cert.replace(pair.cert)
    by.key.replace(pair.key)


def test_a_renewed_certificate_is_served_without_a_restart(host: Hosted, pair: TlsPair, tmp_path: Path) -> None:
    renewed = make_pair(tmp_path, "renewed")
    wanted = der(renewed)
    listener, port = host.server._admin, host.admin_port
    replace(pair, renewed)
    settled(lambda: shown(host) == wanted)
    assert get(host, pair.cert).status == 200
    assert host.admin_port == port
    assert host.server._admin is not listener
    assert host.post(host.request(1)).status == 200


def test_a_file_that_is_no_good_leaves_the_former_one_in_use_and_is_told(host: Hosted, pair: TlsPair) -> None:
    good = pair.key.read_bytes()
    pair.key.write_bytes(good[: len(good) // 2])
    settled(lambda: bool(host.administration.events(12291)))
    event = host.administration.events(12291)[-1]  # it may have been seen empty first
    assert (event["code"], str(pair.key) in event["message"]) == ("TLS_UNUSABLE", True)
    assert shown(host) == der(pair)
    checks = {check["name"]: check for check in get(host, pair.cert, "/readyz").json["checks"]}
    assert not checks["admin-tls"]["ok"]
    assert not checks["admin-tls"]["required"]
    pair.key.write_bytes(good)
    settled(lambda: host.server._tls.fault is None)
    assert get(host, pair.cert).status == 200


def test_tls_begins_and_ends_by_settings(tmp_path: Path, pair: TlsPair) -> None:
    with hosting(tmp_path / "state", clock=ManualClock(NOW_S)) as host:
        assert shown(host) is None
        with host.noticing():
            host.administration.set_settings(pair.settings)
        settled(lambda: shown(host) == der(pair))
        with host.noticing():
            host.administration.set_settings(dict.fromkeys(pair.settings))
        settled(lambda: shown(host) is None)
        assert host.admin("/api/v1/status").status == 200


def test_a_certificate_that_ends_soon_is_told_weeks_before(tmp_path: Path) -> None:
    end = datetime.fromtimestamp(NOW_S + 20 * DAY_S, UTC)
    pair = make_pair(tmp_path, end=end)
    clock = ManualClock(NOW_S)
    with hosting(tmp_path / "state", clock=clock, settings=pair.settings) as host:
        ready = get(host, pair.cert, "/readyz").json
        [check] = [check for check in ready["checks"] if check["name"] == "admin-tls"]
        assert (check["ok"], check["required"], ready["ready"]) == (False, False, True)
        assert "ends" in check["reason"]


# --- refused ---------------------------------------------------------------------------------------------------------


def administration(folder: Path, clock: ManualClock) -> Administration:
    make_host(folder, World(), clock)
    return Administration.open(StatePaths(folder), clock, SeededEntropy(5))


@pytest.mark.parametrize("address", [EVERYWHERE, "::", "192.0.2.7", "2001:db8::7", "::ffff:c000:207"])
def test_an_address_that_others_reach_needs_tls(tmp_path: Path, pair: TlsPair, address: str) -> None:
    with administration(tmp_path / "state", ManualClock(NOW_S)) as host:
        for settings in ({}, {"admin-tls-cert": str(pair.cert)}, {"admin-tls-key": str(pair.key)}):
            with pytest.raises(AdminNotEncryptedError) as caught:
                host.set_settings({"admin-address": address, **settings})
            assert address in caught.value.message
            assert "openssl req -x509" in caught.value.hint
        assert host.settings().admin_address == "127.0.0.1"
        host.set_settings({"admin-address": address, **pair.settings})
        with pytest.raises(AdminNotEncryptedError):
            host.set_settings({"admin-tls-cert": None})
        host.set_settings({"admin-address": None, "admin-tls-cert": None})
        codes = [row["code"] for row in host.events(12315) if row["action"] == "settings"]
        assert codes == ["ADMIN_NOT_ENCRYPTED"] * 3 + [None, "ADMIN_NOT_ENCRYPTED", None]


def test_the_way_back_to_loopback_is_open_when_the_files_are_gone(tmp_path: Path, pair: TlsPair) -> None:
    with administration(tmp_path / "state", ManualClock(NOW_S)) as host:
        host.set_settings({"admin-address": "192.0.2.7", **pair.settings})
        pair.key.unlink()
        for held_up in ({"admin-tls-cert": None}, {"admin-address": "192.0.2.8"}, {"admin-tls-cert": str(pair.cert)}):
            with pytest.raises((AdminNotEncryptedError, TlsUnusableError)):
                host.set_settings(held_up)
        host.set_settings({"admin-port": "1690"})
        host.set_settings({"admin-address": None})
        host.set_settings({"admin-tls-cert": None})
        assert host.settings().admin_address == "127.0.0.1"


def test_what_got_into_the_store_all_the_same_is_refused_at_the_start(tmp_path: Path) -> None:
    clock = ManualClock(NOW_S)
    with administration(tmp_path / "state", clock) as host:
        host._store.set_setting("admin-address", EVERYWHERE)
    with pytest.raises(AdminNotEncryptedError), running(tmp_path / "state", World(), clock):
        pass
    with Administration.open(StatePaths(tmp_path / "state"), clock, SeededEntropy(5)) as host:
        assert [event["code"] for event in host.events(12291)] == ["ADMIN_NOT_ENCRYPTED"]


def test_a_running_host_does_not_move_where_it_may_not(tmp_path: Path) -> None:
    with hosting(tmp_path / "state", clock=ManualClock(NOW_S)) as host:
        port = host.admin_port
        host.administration._store.set_setting("admin-address", EVERYWHERE)
        settled(lambda: bool(host.administration.events(12291)))
        assert (host.server.admin_address, host.admin_port) == ("127.0.0.1", port)
        assert host.admin("/livez").status == 200


def faults(folder: Path) -> dict[str, tuple[TlsPair, type[QuorateError], str]]:
    """Pairs that cannot be used: why, and which file is named."""
    good, other = make_pair(folder, "good"), make_pair(folder, "other")
    past = make_pair(folder, "past", end=datetime(2021, 1, 1, tzinfo=UTC))
    future = make_pair(folder, "future", begin=datetime(2050, 1, 1, tzinfo=UTC))
    curve = make_pair(folder, "curve", curve=ec.SECP521R1())
    loose = make_pair(folder, "loose")
    loose.key.chmod(0o644)
    (folder / "empty.pem").write_bytes(b"")
    (folder / "empty.pem").chmod(0o600)
    (folder / "large.pem").write_bytes(b"x" * 300_000)
    encrypted = folder / "encrypted.key"
    encrypted.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    encrypted.chmod(0o600)
    return {
        "mismatched": (TlsPair(good.cert, other.key), TlsUnusableError, "other.key: it is not the key of"),
        "ended": (past, TlsUnusableError, "past.crt: the certificate ended on 2021-01-01"),
        "not begun": (future, TlsUnusableError, "future.crt: the certificate begins on 2050-01-01"),
        "unknown curve": (curve, TlsUnusableError, "curve.crt: the server's TLS takes RSA"),
        "loose": (loose, FilePermissionsError, "loose.key may be read by others"),
        "swapped": (TlsPair(good.key, good.cert), TlsUnusableError, "good.key: it holds no certificate"),
        "no key": (TlsPair(good.cert, folder / "empty.pem"), TlsUnusableError, "empty.pem"),
        "encrypted": (TlsPair(good.cert, encrypted), TlsUnusableError, "encrypted.key"),
        "missing": (TlsPair(folder / "none.crt", good.key), TlsUnusableError, "none.crt: no such file"),
        "a folder": (TlsPair(folder, good.key), TlsUnusableError, "is a directory"),
        "large": (TlsPair(folder / "large.pem", good.key), TlsUnusableError, "large.pem: it is larger than"),
    }


@pytest.mark.parametrize(
    "name",
    [
        *("mismatched", "ended", "not begun", "unknown curve", "loose", "swapped", "no key", "encrypted", "missing"),
        *("a folder", "large"),
    ],
)
def test_files_that_cannot_be_served_are_refused_by_name(tmp_path: Path, name: str) -> None:
    pair, kind, words = faults(tmp_path)[name]
    with administration(tmp_path / "state", ManualClock(NOW_S)) as host:
        with pytest.raises(kind) as caught:
            host.set_settings(pair.settings)
        assert words in caught.value.message
        assert host.settings().admin_tls_cert == ""


def test_a_host_goes_on_with_a_certificate_that_has_ended_as_its_clients_need_it(tmp_path: Path) -> None:
    clock = ManualClock(NOW_S)
    pair = make_pair(tmp_path, end=datetime.fromtimestamp(NOW_S + DAY_S, UTC))
    make_host(tmp_path / "state", World(), clock, settings=pair.settings)
    clock.advance(2 * DAY_S)
    with running(tmp_path / "state", World(), clock) as host:
        assert host.post(host.request(1)).status == 200
        assert "has ended" in (host.server._tls.notice() or "")
        assert shown(host) == der(pair)


def test_key_and_certificate_may_be_one_file_and_the_chain_is_sent_whole(tmp_path: Path, pair: TlsPair) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes() + make_pair(tmp_path, "next").cert.read_bytes())
    both.chmod(0o640)  # root:ssl-cert, as Debian keeps them
    identity = load_tls(TlsFiles(both, both), NOW_S, is_new=True)
    assert identity.pem.count(b"BEGIN CERTIFICATE") == 2
    assert b"PRIVATE KEY" not in repr(identity).encode()
    try_tls(identity)


def test_a_trial_that_ends_badly_or_cannot_begin_is_a_refusal(tmp_path: Path, pair: TlsPair) -> None:
    identity = load_tls(TlsFiles(pair.cert, pair.key), NOW_S, is_new=True)
    for words, command in (
        ("cannot be tried: exit code 1", ["false"]),
        ("cannot be tried: no module", ["sh", "-c", "echo no module >&2; exit 1"]),
        ("the server's TLS takes RSA", ["sh", "-c", "kill -ABRT $$"]),
        ("the server's TLS takes RSA", ["sh", "-c", "exit 3"]),
        ("cannot be tried: No such file", [str(tmp_path / "no-such-program")]),
    ):
        with pytest.raises(TlsUnusableError, match=words):
            try_tls(identity, command)


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, (EVERYWHERE, "::", "10.0.0.1", "::ffff:10.0.0.1", "", "localhost", "fe80::1%lo")))


def test_no_key_stays_open_when_listeners_come_and_go(host: Hosted, pair: TlsPair, tmp_path: Path) -> None:
    def in_memory() -> list[str]:
        links = []
        for descriptor in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        return [link for link in links if "quorate-admin-tls" in link]

    before = len(in_memory())
    for number in range(3):
        renewed = make_pair(tmp_path, f"renewed{number}")
        wanted = der(renewed)
        replace(pair, renewed)
        settled(lambda wanted=wanted: shown(host) == wanted)  # type: ignore[misc]
    settled(lambda: len(in_memory()) == before)
