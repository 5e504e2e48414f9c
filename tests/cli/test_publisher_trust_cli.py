"""`quorate publisher revoke`, `rotate`, `serve`, and requests as text and QR, as people and scripts use them."""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from quorate.core.armor import armored, dearmored
from quorate.core.documents import HOST_CERTIFICATE, HOST_REQUEST, read
from quorate.core.ids import ProductKey
from quorate.core.publication import decode_activation
from quorate.core.revocation import read_list
from quorate.core.succession import TrustState, follow_chain, read_issued
from tests.cli.test_publisher_cli import Terminal, acme, quorate, request_file
from tests.publisher.world import PASSPHRASE, AskingHost
from tests.support.child import Child
from tests.support.waiting import PATIENCE_S

__all__ = ["acme", "quorate"]  # fixtures, used by name


def issue(acme: Terminal) -> str:
    return acme.well("host-key", "issue", "--customer", "Contoso", "--group", "acme").out.strip()


def first_keys(acme: Terminal) -> TrustState:
    return TrustState.shipped((acme.state / "publisher.jwks").read_bytes())


# --- revoke ----------------------------------------------------------------------------------------------------------


def test_a_host_is_revoked_by_the_beginning_of_its_id(acme: Terminal) -> None:
    acme.well("confirm", request_file(acme.folder, issue(acme)), "-o", "host.cert")
    host_id = AskingHost(1).host_id
    ended = acme.well("revoke", "--host", host_id[:8], "--reason", "sold with its disk", "--since", "2026-11-01")
    assert "2026-11-01 00:00 UTC" in ended.out
    assert "Leases given before 2026-11-01" in ended.err
    revoked = read_list((acme.state / "publisher.revocations").read_text().strip(), first_keys(acme))
    assert [(each.id, each.reason) for each in revoked.entries] == [(host_id, "sold with its disk")]
    assert "revoked: sold with its disk" in acme.well("list", "hosts").out
    assert "sold with its disk" in acme.well("list", "revocations").out
    (row,) = [json.loads(line) for line in acme.well("list", "revocations", "--json").out.splitlines()]
    assert (row["kind"], row["id"], row["since_s"]) == ("host", host_id, 1_793_491_200)
    summary = acme.well("list", "--json").json()
    assert (summary["revocations"], summary["revocation_list"], summary["trust_version"]) == (1, 1, 1)
    ended = acme("confirm", request_file(acme.folder, issue(acme)), "-o", "again.cert", "--json")
    assert (ended.code, ended.json()["error"]) == (1, "HOST_REVOKED")


@pytest.mark.parametrize("named", ["id", "beginning", "last five", "key"])
def test_a_host_key_is_revoked_by_whatever_is_at_hand(acme: Terminal, named: str) -> None:
    key = ProductKey.parse(issue(acme))
    name = {"id": key.key_id, "beginning": key.key_id[:6], "last five": key.last_five, "key": key.text}[named]
    ended = acme.well("revoke", "--host-key", name, "--reason", "leaked", "--json").json()
    assert (ended["kind"], ended["id"], ended["number"], ended["changed"]) == ("host-key", key.key_id, 1, True)
    again = acme.well("revoke", "--host-key", name, "--reason", "leaked")
    assert "revoked already" in again.err
    assert "blocked: leaked" in acme.well("list", "host-keys").out
    ended = acme("confirm", request_file(acme.folder, key.text), "-o", "a.cert")
    assert (ended.code, "is blocked: leaked" in ended.err) == (1, True)


def test_a_certificate_and_a_leaked_signing_key_are_revoked(acme: Terminal) -> None:
    confirmed = acme.well("confirm", request_file(acme.folder, issue(acme)), "-o", "host.cert", "--json").json()
    acme.well("revoke", "--serial", confirmed["serial"], "--reason", "by mistake")
    ended = acme.well("revoke", "--signing-key", AskingHost(1).signing_key.kid[:10], "--reason", "in a backup")
    assert "date leases back" in ended.err
    revoked = read_list((acme.state / "publisher.revocations").read_text().strip(), first_keys(acme))
    assert (revoked.number, [type(each).__name__ for each in revoked.entries]) == (
        2,
        ["CertificateRevoked", "SigningKeyRevoked"],
    )


# --- rotate ----------------------------------------------------------------------------------------------------------


def test_the_whole_way_of_a_planned_exchange(acme: Terminal) -> None:
    first = first_keys(acme)
    request = request_file(acme.folder, issue(acme))
    acme.well("confirm", request, "-o", "host.cert")
    ended = acme.well("rotate")
    assert "certificates of 1 host were signed by an older key and stay good" in ended.err
    assert "Back up" in ended.err
    said = acme.well("confirm", request, "-o", "new.cert")
    assert "publisher.trust along" in said.err
    ended = acme.well("rotate", "--finish")
    assert "No host has a certificate of an older key" in ended.err
    state = follow_chain(first, (acme.state / "publisher.trust").read_text().split())
    assert state.version == 3
    read_issued(HOST_CERTIFICATE, Path("new.cert").read_text().strip(), state)
    acme.well("product", "show", "acme-cad")


def test_a_stolen_key_is_dropped_at_once_and_the_hosts_that_suffer_are_named(acme: Terminal) -> None:
    acme.well("confirm", request_file(acme.folder, issue(acme)), "-o", "host.cert")
    ended = acme.well("rotate", "--drop-old", "--json")
    facts = ended.json()
    assert (facts["version"], facts["kept"], len(facts["dropped"])) == (2, [], 1)
    assert facts["hosts_to_renew"] == [AskingHost(1).host_id]
    assert f"Contoso: {AskingHost(1).host_id}" in ended.err
    assert "Clients that have followed believe neither" in ended.err


def test_a_root_key_is_made_moved_away_and_brought_back(quorate: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    root_file = quorate.folder / "root.pass"
    root_file.write_text("the root's own passphrase\n")
    root_file.chmod(0o600)
    made = quorate.well("init", "--name", "Acme", "--offline-root", "--root-passphrase-file", root_file)
    assert "publisher-root.key" in made.out
    assert "safe place" in made.err
    shutil.move(quorate.state / "publisher-root.key", "safe.key")
    ended = quorate("rotate", "--json")
    assert (ended.code, ended.json()["error"]) == (1, "ROOT_KEY_MISSING")
    assert "--root-key FILE" in ended.err
    assert "safe.key cannot be opened: the passphrase is wrong" in quorate("rotate", "--root-key", "safe.key").err
    monkeypatch.setenv("QUORATE_ROOT_PASSPHRASE", "the root's own passphrase")
    ended = quorate.well("rotate", "--drop-old", "--root-key", "safe.key")
    assert "Take the root key away again" in ended.err


def test_the_root_key_has_the_same_passphrase_unless_it_is_given_its_own(quorate: Terminal) -> None:
    facts = quorate.well("init", "--name", "Acme", "--offline-root", "--json").json()
    assert facts["root_key"] == str(quorate.state / "publisher-root.key")
    assert quorate.well("rotate", "--json").json()["version"] == 2


# --- text and QR -----------------------------------------------------------------------------------------------------


def test_a_request_in_a_mail_is_confirmed_with_a_mail(acme: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    token = AskingHost(1, "kms1").request(ProductKey.parse(issue(acme))).strip()
    mail = "Hello Acme,\r\n> " + armored(token).replace("\n", "  \r\n> ").replace("--", "\u2014") + "\r\nBob"
    Path("mail.txt").write_bytes(mail.encode("cp1252"))
    ended = acme.well("confirm", "mail.txt", "--text")
    certificate = read(HOST_CERTIFICATE, dearmored(ended.out, HOST_CERTIFICATE), acme.keys())
    assert ended.out.startswith("-----BEGIN QUORATE HOST CERTIFICATE-----\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(mail.encode())))
    facts = acme.well("confirm", "-", "--text", "-o", "a.cert", "--json").json()
    assert facts["serial"] == certificate.serial
    assert dearmored(facts["text"], HOST_CERTIFICATE) == Path("a.cert").read_text().strip()


def test_a_damaged_text_is_told_from_a_foreign_one(acme: Terminal) -> None:
    text = armored(AskingHost(1).request(ProductKey.parse(issue(acme))).strip())
    Path("damaged.txt").write_text(text.replace(text.splitlines()[2], ""))
    Path("foreign.txt").write_text(text.replace("HOST REQUEST", "HOST CERTIFICATE"))
    for name, code in (("damaged.txt", "TEXT_DAMAGED"), ("foreign.txt", "WRONG_FILE")):
        ended = acme("confirm", name, "-o", "a.cert", "--json")
        assert (ended.code, ended.json()["error"]) == (1, code)
    assert not Path("a.cert").exists()


def test_too_much_on_stdin_is_not_read(acme: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 300_000)))
    ended = acme("confirm", "-", "-o", "a.cert")
    assert (ended.code, "something else" in ended.err) == (1, True)


def test_the_certificate_is_shown_as_qr_code(acme: Terminal) -> None:
    request = request_file(acme.folder, issue(acme))
    ended = acme.well("confirm", request, "--qr", "--qr-file", "cert.png")
    assert "\u2584" in ended.out or "\u2580" in ended.out
    assert Path("cert.png").read_bytes().startswith(b"\x89PNG")
    again = acme("confirm", request, "--qr-file", "cert.png")
    assert (again.code, "already there" in again.err) == (1, True)
    acme.well("confirm", request, "--qr-file", "cert.svg", "--json")
    assert "<svg" in Path("cert.svg").read_text()


def test_what_no_qr_code_holds_is_told(acme: Terminal) -> None:
    source = "\n".join(
        ['id = "big"', 'name = "Big"', 'group = "big"', f"covers = {['g' * 58 + f'{n:03}' for n in range(40)]}"]
    )
    Path("big.toml").write_text(source + '\n[[edition]]\nid = "big-e"\nname = "E"\nclass = "client"\n')
    acme.well("product", "add", "big.toml")
    key = acme.well("host-key", "issue", "--customer", "Contoso", "--group", "big").out
    ended = acme("confirm", request_file(acme.folder, key), "--qr")
    assert (ended.code, "a QR code holds 2953" in ended.err) == (1, True)


# --- serve -----------------------------------------------------------------------------------------------------------


def test_the_service_runs_until_it_is_told_to_stop(acme: Terminal) -> None:
    key = issue(acme)
    command = [str(Path(sys.executable).with_name("quorate")), "publisher", "serve", "--port", "0", "--json"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(acme.folder),
        "QUORATE_PASSPHRASE": PASSPHRASE,
        "QUORATE_STATE_DIR": str(acme.state),
    }
    with Child(command, environ=environment) as serving:
        said = serving.told()
        assert said["url"] == f"http://127.0.0.1:{said['port']}/"
        connection = http.client.HTTPConnection("127.0.0.1", said["port"], timeout=PATIENCE_S)
        connection.request("POST", "/v1/activate-host", AskingHost(1).request(ProductKey.parse(key)))
        activation = decode_activation(connection.getresponse().read())
        connection.close()
        assert serving.terminate() == 0
        log = serving.err
    read_issued(HOST_CERTIFICATE, activation.host_certificate, first_keys(acme))
    assert "activated host" in log
    assert key not in log
    assert PASSPHRASE not in log
    assert HOST_REQUEST.typ not in log
