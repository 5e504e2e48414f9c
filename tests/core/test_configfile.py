"""A configuration file: every value with its own line, every mistake at once, and no bytes that break the reader."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.configfile import (
    Checked,
    FileSetting,
    Flaw,
    check_text,
    configuration_fault,
    example_file,
    said_variables,
    unknown_variable,
)
from quorate.core.toml import Broken, Said, read_statements


def whole(text: str) -> int:
    if not text.isdigit():
        raise ValueError(f"'{text}' is not a whole number")
    return int(text)


def word(text: str) -> str:
    return text


SETTINGS = {
    each.name: each
    for each in (
        FileSetting("port", "QUORATE_HOST_PORT", "a TCP port, 1..65535; default 1688", whole, 1688),
        FileSetting("renewal-interval", "QUORATE_HOST_RENEWAL_INTERVAL", "minutes; default 10080", whole, 10080),
        FileSetting("networks", "QUORATE_HOST_NETWORKS", "networks; default: all", word, "", "Who is served.", True),
        FileSetting("key-file", "QUORATE_HOST_KEY_FILE", "the whole path of a file", word, is_file=True),
    )
}


def check(text: str | bytes) -> Checked:
    return check_text(text.encode() if isinstance(text, str) else text, SETTINGS)


def only(text: str | bytes) -> Flaw:
    checked = check(text)
    [flaw] = checked.flaws
    return flaw


def test_each_value_has_its_own_line_whatever_stands_before_it() -> None:
    text = '''# port = 1

"port" = 0x6A0   # port = 2
networks = [
    "10.0.0.0/8",   # ] port = 3
    '192.0.2.0/24',
]
'key-file' = """\\
    /etc/quorate/key"""
renewal-interval = 60
'''
    checked = check(text)
    assert not checked.flaws
    found = {name: (value.value, value.line) for name, value in checked.values.items()}
    assert found == {
        "port": (1696, 3),
        "networks": ("10.0.0.0/8; 192.0.2.0/24", 4),
        "key-file": ("/etc/quorate/key", 8),
        "renewal-interval": (60, 10),
    }


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_its_lines() -> None:
    text = "prot = 1\nport = many\nrenewal-interval = 'often'\n[host]\nnetworks = 10.0.0.0/8\nport = 1\nport = 2\n"
    told = [(flaw.line, flaw.name) for flaw in check(text).flaws]
    assert told == [
        (1, "prot"),
        (2, "port"),
        (3, "renewal-interval"),
        (4, None),
        (5, "networks"),
        (7, "port"),
    ]


def test_an_unknown_name_is_told_the_nearest() -> None:
    for name in ("renewl-interval", "renewal_interval", "Renewal-Interval", "renewal.interval", '"renewal-intervall"'):
        flaw = only(f"\n{name} = 5\n")
        assert (flaw.line, flaw.reason) == (2, "there is no such setting")
        assert flaw.allowed == "Did you mean renewal-interval?"
    assert only("kms-host = 1").allowed == "Settings: port, renewal-interval, networks, key-file."


def test_a_name_that_stands_twice_is_told_with_both_lines() -> None:
    flaw = only("port = 1\n\nport = 2\n")
    assert (flaw.line, flaw.name, flaw.reason) == (3, "port", "line 1 says it already")


def test_a_place_has_its_column_as_editors_count() -> None:
    assert only("  prot = 1").column == 3
    assert only('port  =\t"many"').column == 9
    assert only('"port" = [1]').column == 10


def test_text_without_quotes_is_told_so() -> None:
    flaw = only("networks = everybody\n")
    assert (flaw.line, flaw.column, flaw.name) == (1, 12, "networks")
    assert "quotes" in flaw.allowed


def test_a_secret_is_refused_and_never_repeated() -> None:
    for text in (
        'passphrase = "hunter2"',
        'tls-key-password = "hunter2"',
        'admin-token = "hunter2"',
        'key-file = "hunter2"',
    ):
        flaw = only(text)
        assert "hunter2" not in f"{flaw} {flaw.allowed}"
    assert "secret" in only('passphrase = "hunter2"').reason
    assert "key-file" in only('passphrase = "hunter2"').allowed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("port = 16.5", "'16.5' is not a whole number"),
        ("port = true", "'true' is not a whole number"),
        ("port = nan", "'nan' is not a whole number"),
        ("port = [1]", "it takes one value, not a list"),
        ("port = {a = 1}", "it takes one value, not a table"),
        ("port = 2026-11-27", "it takes no date; text stands in quotes"),
        ("networks = [[1]]", "its list may have texts and numbers"),
        ("networks = [true]", "its list may have texts and numbers"),
    ],
)
def test_a_kind_of_value_that_a_setting_has_not_is_told(text: str, reason: str) -> None:
    assert only(text).reason == reason


@pytest.mark.parametrize(
    "text",
    [
        b"port = \xff\n",
        b"\xff\xfep\x00o\x00",
        b"port",
        b"= 1",
        b"port = 1 2",
        b'networks = "no end',
        b"networks = '''no end\nport = 1",
        b"networks = [1,\nport = 1\n",
        b"networks = " + b"[" * 30_000,
        b"port = " + b"9" * 50_000,
        b"a." * 20_000 + b"a = 1",
        b"#" * 70_000,
        b"[[port]]\n",
        b"port = 1\rport = 2",
        b"\x00",
        b']\n"\n',
    ],
)
def test_garbage_is_told_and_breaks_nothing(text: bytes) -> None:
    flaws = check(text).flaws
    assert flaws
    assert all(len(f"{flaw} {flaw.allowed}") < 500 for flaw in flaws)


def test_what_is_broken_in_one_line_does_not_hide_the_next() -> None:
    checked = check('networks = "no end\nprot = 1\nport = 5\n')
    assert [(flaw.line, flaw.name) for flaw in checked.flaws] == [(1, "networks"), (2, "prot")]
    assert checked.values["port"].value == 5


def test_an_editors_byte_order_mark_and_windows_line_breaks_are_taken() -> None:
    checked = check(b"\xef\xbb\xbfport = 5\r\nrenewal-interval = 6\r\n")
    assert not checked.flaws
    assert checked.values["renewal-interval"].line == 2


def test_an_empty_file_says_nothing() -> None:
    for text in ("", "\n\n", "# nothing\n", " \t\n# a\n"):
        assert check(text) == Checked({})


def test_the_example_is_all_comment_and_without_the_marks_it_is_a_file() -> None:
    text = example_file("Title\n\nMore", SETTINGS)
    assert check(text) == Checked({})
    assert "# Who is served. Networks; default: all." in text
    assert "QUORATE_HOST_PORT" in text
    used = "\n".join(line.removeprefix("#") for line in text.splitlines() if " = " in line)
    assert {name: value.value for name, value in check(used).values.items()} == {
        "port": 1688,
        "renewal-interval": 10080,
        "networks": "",
        "key-file": "",
    }


def test_one_error_tells_the_first_flaw_and_how_many_there_are() -> None:
    fault = configuration_fault("host.toml", check("\nprot = 1\nx = 2\n").flaws, "quorate host config check")
    assert fault.message == "host.toml:2:1: prot: there is no such setting (and 1 more)"
    assert fault.hint.startswith("Did you mean port?")
    assert fault.hint.endswith("All: `quorate host config check`.")


# --- any text --------------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)
SPACES = st.sampled_from(["", " ", "\t"])
VALUES = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.booleans().map(lambda value: "true" if value else "false"),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x7f")).map(
        lambda text: json.dumps(text, ensure_ascii=False)
    ),
    st.text('abc#=[]"\n \\', max_size=12).map(lambda text: f"'''{text}'''"),
    st.sampled_from(
        ['"""a"""""', "''''a'''''", '"""\\"""#"""', '"a\\\\"', "'\\'", "[\n1, # ]\n[2],\n]", "{a = [1, 2]}", '"="']
    ),
)
STATEMENTS = st.tuples(NAMES, SPACES, SPACES, VALUES, st.sampled_from(["", "  # = ]", "# \"'"]))


@given(st.lists(st.one_of(STATEMENTS, st.sampled_from(["", "# x = 1", " "])), max_size=12))
def test_lines_and_values_are_those_of_the_whole_file(parts: list[tuple[str, ...] | str]) -> None:
    wanted: dict[str, int] = {}
    text, line = "", 1
    for part in parts:
        written = part if isinstance(part, str) else f"{part[0]}{part[1]}={part[2]}{part[3]}{part[4]}"
        if not isinstance(part, str):
            wanted.setdefault(part[0], line)
        text += written + "\n"
        line += written.count("\n") + 1
    read = read_statements(text)
    said: dict[str, Said] = {}
    for each in read:
        assert isinstance(each, Said)
        said.setdefault(each.name, each)
    assert {name: each.line for name, each in said.items()} == wanted
    if len(read) == len(said):
        assert {name: each.value for name, each in said.items()} == tomllib.loads(text)


@given(st.text("ab=[]{}\"'#\n\\., 1", max_size=40))
def test_what_the_whole_file_is_not_the_statements_are_not_either(text: str) -> None:
    try:
        whole_file: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        whole_file = None
    read = read_statements(text)
    is_whole = all(isinstance(each, Said) for each in read)
    if whole_file is None:
        names = [each.path for each in read if isinstance(each, Said)]
        assert not is_whole or len(names) > len(set(names))
    else:
        assert is_whole or any(isinstance(each, Broken) and each.is_table for each in read)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_told(data: bytes) -> None:
    checked = check(data)
    assert all(flaw.line is None or 1 <= flaw.line <= data.count(b"\n") + 1 for flaw in checked.flaws)


# --- the environment -------------------------------------------------------------------------------------------------

OWN = {"QUORATE_HOST_PORT", "QUORATE_HOST_RENEWAL_INTERVAL", "QUORATE_HOST_EVENTS_MAX"}
OTHERS = {"QUORATE_PUBLISHER_PORT", "QUORATE_STATE_DIR", "QUORATE_HTTPS", "QUORATE_HOST_RUN_PORT", "QUORATE_PASSPHRASE"}


def told(name: str, own: set[str] = OWN) -> str:
    return unknown_variable(name, OWN | OTHERS, own, "quorate host config example").allowed


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("QUORATE_HOST_PORTT", "QUORATE_HOST_PORT"),
        ("QUORATE_HOST_PROT", "QUORATE_HOST_PORT"),
        ("QUORATE_HOTS_PORT", "QUORATE_HOST_PORT"),
        ("QUORATE_HOST_port", "QUORATE_HOST_PORT"),
        ("QUORATE_HOST_RUN_PROT", "QUORATE_HOST_RUN_PORT"),
        ("QUORATE_HOST_EVENT_MAX", "QUORATE_HOST_EVENTS_MAX"),
        ("QUORATE_STATE_DIRR", "QUORATE_STATE_DIR"),
        ("QUORATE_PASSPHRAS", "QUORATE_PASSPHRASE"),
        ("QUORATE_RENEWAL_INTERVAL", "QUORATE_HOST_RENEWAL_INTERVAL"),  # the role was forgotten
        ("QUORATE_CLIENT_HTTPS", "QUORATE_HTTPS"),  # there is none in this one
        ("QUORATE_HOST_STATE_DIR", "QUORATE_STATE_DIR"),
    ],
)
def test_a_misspelt_variable_is_told_with_the_one_that_is_meant(name: str, meant: str) -> None:
    assert told(name) == f"Did you mean {meant}?"


def test_among_variables_that_are_as_near_the_role_that_asks_has_its_own() -> None:
    assert told("QUORATE_PORT") == "Did you mean QUORATE_HOST_PORT?"
    assert told("QUORATE_PORT", {"QUORATE_PUBLISHER_PORT"}) == "Did you mean QUORATE_PUBLISHER_PORT?"
    assert told("QUORATE_HOST_PORTT", {"QUORATE_PUBLISHER_PORT"}) == "Did you mean QUORATE_HOST_PORT?"


@pytest.mark.parametrize(
    "name",
    [
        "QUORATE_",
        "QUORATE___",
        "QUORATE_HOST",
        "QUORATE_HOST_",
        "QUORATE_HOST_FOO",
        "QUORATE_HOST_SERVICE_HOST",
        "QUORATE_FOO",
    ],
)
def test_to_begin_with_the_same_word_makes_no_name_near(name: str) -> None:
    assert told(name) == "Variables of settings: `quorate host config example`."


@given(st.text(max_size=200))
def test_whatever_a_variable_is_called_it_is_told_short_and_harmless(rest: str) -> None:
    flaw = unknown_variable(f"QUORATE_{rest}", OWN | OTHERS, OWN, "quorate host config example")
    assert flaw.name is not None
    assert flaw.name.isprintable()
    assert len(flaw.name) <= 120
    assert (flaw.line, flaw.reason) == (None, "nothing here reads this variable")


def test_an_empty_variable_says_nothing_and_others_are_not_ours() -> None:
    environ = {"QUORATE_A": "1", "QUORATE_B": "", "_QUORATE_COMPLETE": "1", "quorate_c": "1", "XQUORATE_D": "1"}
    assert said_variables(environ) == {"QUORATE_A"}
