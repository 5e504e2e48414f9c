"""Which host is asked, what people may type, and where the state lives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.client.discovery.target import Target
from quorate.client.identity import Machine, machine_name
from quorate.client.settings.environment import Settings
from quorate.client.transport.exchange import Transport, TransportSettings
from quorate.errors import DnsNameDoesNotExistError, FileAccessError, InvalidSettingError
from tests.client.parties import Installation, scripted


@pytest.mark.parametrize(
    ("typed", "host", "port"),
    [
        ("kms.contoso.example", "kms.contoso.example", 1688),
        ("kms.contoso.example.:2000", "kms.contoso.example.", 2000),
        (" KMS-1 ", "KMS-1", 1688),
        ("my_host:1", "my_host", 1),
        ("192.0.2.7:65535", "192.0.2.7", 65535),
        ("[2001:db8::7]:1688", "2001:db8::7", 1688),
        ("[2001:db8::7]", "2001:db8::7", 1688),
        ("2001:db8::7", "2001:db8::7", 1688),
        ("[fe80::1%eth0]:1700", "fe80::1%eth0", 1700),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", 1688),
    ],
)
def test_s33_a_host_is_a_name_or_an_address_and_the_port_is_1688(typed: str, host: str, port: int) -> None:
    target = Target.parse(typed)
    assert target == Target(host, port)
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    "typed",
    [
        *("", " ", ":1688", "kms:", "kms:0", "kms:65536", "kms:1e3", "kms:-1", "kms:١٦٨٨", "a b", "-kms", "kms-"),
        *("a..b", "http://kms:1688", "kms/path", "user@kms", "[2001:db8::7", "[2001:db8::7]1688", "[kms]:1"),
        *("256.1.1.1", "1.2.3", "2001:db8::7:zz", "a" * 64, "a." * 130 + "a", "bücher.example", "kms\n", "k\x00ms"),
    ],
)
def test_what_is_no_host_is_refused_with_what_is_allowed(typed: str) -> None:
    if typed == "kms\n":  # white space around is what copying brings along
        assert Target.parse(typed) == Target("kms")
        return
    with pytest.raises(InvalidSettingError) as caught:
        Target.parse(typed)
    assert caught.value.message.isprintable()
    assert "1688" in caught.value.hint
    with pytest.raises(InvalidSettingError) as again:
        Target.parse(typed)
    assert again.value is not caught.value
    assert again.value.message == caught.value.message


@given(st.text(max_size=300))
def test_no_text_makes_a_target_that_cannot_be_read_back(typed: str) -> None:
    try:
        target = Target.parse(typed)
    except InvalidSettingError:
        return
    assert Target.parse(str(target)) == target


def test_a_cleared_host_is_not_asked_again_from_memory(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    with scripted() as host:
        client = here.client(host)
        client.activate()
        assert client.clear_host().host is None
        with pytest.raises(DnsNameDoesNotExistError):
            client.activate()
    assert len(host.requests) == 1


# --- where the state lives -----------------------------------------------------------------------------------------


def settings(**variables: str) -> Settings:
    return Settings.from_environment(variables)


def test_the_state_folder_given_by_hand_wins(tmp_path: Path) -> None:
    assert settings(QUORATE_STATE_DIR=str(tmp_path)).root("acme-cad") == tmp_path
    assert settings(QUORATE_STATE_DIR=str(tmp_path)).roots() == (tmp_path,)


def placed(machine: Path, user: Path, *, is_root: bool) -> Settings:
    return Settings(None, machine, user, is_root, TransportSettings())


def test_root_keeps_the_machines_folder_and_users_read_it_where_it_has_the_product(tmp_path: Path) -> None:
    machine, user = tmp_path / "machine", tmp_path / "user"
    assert placed(machine, user, is_root=True).root("acme-cad") == machine
    assert placed(machine, user, is_root=False).root("acme-cad") == user
    (machine / "acme-cad").mkdir(parents=True)
    assert placed(machine, user, is_root=False).root("acme-cad") == machine
    assert placed(machine, user, is_root=False).root("another") == user


def test_the_users_folder_follows_the_platform() -> None:
    assert settings(XDG_DATA_HOME="/data").user_root == Path("/data/quorate/client")
    assert settings().user_root == Path.home() / ".local/share/quorate/client"


def test_a_switch_that_is_neither_on_nor_off_is_refused() -> None:
    assert settings(QUORATE_HTTPS="1").transport.is_https
    assert not settings(QUORATE_HTTPS="off").transport.is_https
    with pytest.raises(InvalidSettingError, match="QUORATE_HTTPS"):
        settings(QUORATE_HTTPS="maybe")


def test_a_proxy_or_authorities_that_are_none_are_refused(tmp_path: Path) -> None:
    for proxy in ("", "kms", "ftp://proxy:1", "http://", "http://[::1"):
        with pytest.raises(InvalidSettingError, match="QUORATE_PROXY"):
            Transport(TransportSettings(proxy=proxy))
    with pytest.raises(FileAccessError):
        Transport(TransportSettings(is_https=True, ca_file=tmp_path / "missing.pem"))


def test_through_a_proxy_the_whole_address_is_named(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    with scripted() as proxy:  # it answers whatever it is asked, as a proxy does
        client = here.client(transport=TransportSettings(proxy=f"http://127.0.0.1:{proxy.port}"))
        client.set_host("kms.invalid")
        assert client.activate().status.value == "licensed"
        assert proxy.paths == ["http://kms.invalid:1688/v1/activate"]


# --- who we are ----------------------------------------------------------------------------------------------------


def test_this_machine_has_a_name_fit_for_the_wire() -> None:
    assert Machine.here().name
    assert machine_name("pc\x1b[0m\n") == "pc[0m"
    assert machine_name("") == "unknown"
    assert len(machine_name("a" * 999)) == 253


def test_marks_of_one_machine_differ_by_salt_and_are_recognised() -> None:
    machine = Machine("pc", "identity", is_virtual=False)
    first, second = machine.mark("A" * 22), machine.mark("Q" * 21 + "A")
    assert first is not None
    assert second is not None
    assert first.digest != second.digest
    assert not machine.is_another_than(first)
    assert Machine("pc", "other", is_virtual=False).is_another_than(first)
    assert not Machine("pc", None, is_virtual=False).is_another_than(first)
