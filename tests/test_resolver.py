"""This machine's DNS settings with slips of the pen in them: what is right is used, what is wrong is named."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.resolver import NoNameServerError, machine_resolver, read_resolver

GOOD = b"nameserver 192.0.2.53\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"nameserver 10.0.0.53,", "'10.0.0.53,' is no IP address"),
        (b"nameserver dns.corp.example", "'dns.corp.example' is no IP address"),
        (b"nameserver https://dns.corp.example/q", "is no IP address"),
        (b"nameserver", "nothing is no IP address"),
        (b"nameserver 10.0.0.53\x00", "is no IP address"),
        ("nameserver １０.0.0.53".encode(), "is no IP address"),
        (b"search corp..example", "'corp..example' is no DNS domain"),
        (b"domain corp..example", "'corp..example' is no DNS domain"),
        (b"search " + b"a" * 64, "is no DNS domain"),
        (b"search \\999.example", "is no DNS domain"),
        (b"nameservers 10.0.0.53", "'nameservers' is no setting"),
        (b"\xef\xbb\xbfnameserver 10.0.0.53", "is no setting"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_line_of_no_use_is_passed_over_and_named(line: bytes, told: str, is_first: bool) -> None:
    data = line + b"\n" + GOOD if is_first else GOOD + line + b"\n"
    resolver = read_resolver(data, "/etc/resolv.conf")
    assert [str(each) for each in resolver.nameservers] == ["192.0.2.53"]
    (passed_over,) = resolver.passed_over
    assert passed_over.startswith(f"/etc/resolv.conf line {1 if is_first else 2} is passed over: ")
    assert told in passed_over
    assert passed_over.isprintable()


def test_what_stands_beside_a_slip_in_the_same_list_is_used() -> None:
    resolver = read_resolver(GOOD + b"search corp..example b.example\r\n", "resolv.conf")
    assert [str(each) for each in resolver.search] == ["b.example."]
    assert len(resolver.passed_over) == 1


@pytest.mark.parametrize(
    "line",
    [b"# Stra\xdfe", b"; \xff\xfe", b"", b"options timeout:x ndots:", b"options rotate edns0", b"sortlist 10.0.0.0"],
)
def test_comments_in_any_encoding_and_options_are_nobodys_trouble(line: bytes) -> None:
    resolver = read_resolver(line + b"\n" + GOOD, "resolv.conf")
    assert ([str(each) for each in resolver.nameservers], resolver.passed_over) == (["192.0.2.53"], ())


@pytest.mark.parametrize(("typed", "seconds"), [("0", 1.0), ("-5", 1.0), ("3", 3), ("99999", 30.0), ("9" * 5000, 2.0)])
def test_a_timeout_has_the_bounds_of_the_systems_resolver(typed: str, seconds: float) -> None:
    assert read_resolver(GOOD + f"options timeout:{typed}\n".encode(), "resolv.conf").timeout == seconds


def test_addresses_as_the_systems_resolver_takes_them() -> None:
    data = b"nameserver fe80::1%eth0\nnameserver 127.1\nnameserver ::1 # ours\n"
    resolver = read_resolver(data, "resolv.conf")
    assert [str(each) for each in resolver.nameservers] == ["fe80::1%eth0", "127.0.0.1", "::1"]


@pytest.mark.parametrize("data", [None, b"", b"search corp.example\n", b"nameserver 10.0.0.53,\n"])
def test_with_no_server_at_all_the_reason_is_said_and_a_server_set_by_hand_is_asked(
    tmp_path: Path, data: bytes | None
) -> None:
    path = tmp_path / "resolv.conf"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(NoNameServerError, match="this machine has no name server set") as caught:
        machine_resolver(path)
    assert ("10.0.0.53," in str(caught.value)) == (data is not None and b"," in data)
    resolver = machine_resolver(path, servers=("192.0.2.7",), port=5353)
    assert ([str(each) for each in resolver.nameservers], resolver.port) == (["192.0.2.7"], 5353)
    assert [str(each) for each in resolver.search] == (["corp.example."] if data == b"search corp.example\n" else [])


@pytest.mark.parametrize("name", ["a" * 64, "a..b", "", "ws01", "b\udcffd", "pc.corp.example"])
def test_a_machine_whose_name_dns_cannot_hold_has_its_name_servers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "pc")
    usual = vars(read_resolver(GOOD, "resolv.conf")).keys()
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    resolver = read_resolver(GOOD, "resolv.conf")
    assert [str(each) for each in resolver.nameservers] == ["192.0.2.53"]
    assert str(resolver.domain) == ("corp.example." if "corp" in name else ".")
    assert vars(resolver).keys() == usual, "it lacks nothing that the library gives a resolver"


@given(st.binary(max_size=400))
def test_no_bytes_keep_a_resolver_from_being_made(data: bytes) -> None:
    resolver = read_resolver(GOOD + data, "resolv.conf")
    assert str(resolver.nameservers[0]) == "192.0.2.53"
    assert all(each.isprintable() for each in resolver.passed_over)


@given(st.lists(st.tuples(st.sampled_from(["nameserver", "search", "domain", "options"]), st.text(max_size=30))))
def test_no_words_behind_a_setting_keep_a_resolver_from_being_made(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(" ".join(line) for line in lines)
    assert read_resolver(text.encode("utf-8", "surrogatepass") + b"\n" + GOOD, "resolv.conf").nameservers
