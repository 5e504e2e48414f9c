"""slmgr's grammar: what is understood, and what is refused with a reason."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.cli.slmgr.grammar import (
    SWITCHES,
    Asked,
    Role,
    parse,
    usage,
)
from quorate.errors import MisusedError

S34 = (
    *("dli", "dlv", "xpr", "ipk", "ato", "skms", "ckms", "skhc", "ckhc", "sprt", "sai", "sri", "sdns", "cdns"),
    *("spri", "cpri", "rearm", "upk", "cpky", "dti", "atp"),
)
ARGUMENTS = {
    "ipk": "KEY",
    "skms": "kms01:1700",
    "skms-domain": "corp.example",
    "sprt": "1700",
    "sai": "60",
    "sri": "60",
    "atp": "-",
}


@pytest.mark.parametrize("name", [*S34, "skms-domain", "ckms-domain"])
@pytest.mark.parametrize("mark", ["/", "-"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_s34_every_switch_is_understood_with_either_mark_and_in_any_case(name: str, mark: str, case: object) -> None:
    word = mark + getattr(name, case.__name__)()  # type: ignore[attr-defined]  # a method of str
    argument = ARGUMENTS.get(name)
    call = parse([word] if argument is None else [word, argument])
    assert call.asked == (Asked(SWITCHES[name], argument),)


def test_several_switches_are_done_in_the_order_in_which_they_stand() -> None:
    call = parse(["/skms", "kms01", "acme-cad-pro", "-ATO", "/dlv", "all"])
    assert [(each.switch.name, each.argument, each.activation_id) for each in call.asked] == [
        ("skms", "kms01", "acme-cad-pro"),
        ("ato", None, None),
        ("dlv", None, "all"),
    ]


def test_computer_user_and_password_come_first_as_slmgr_has_them() -> None:
    call = parse(["host1", "admin", "secret", "/dlv"])
    assert (call.computer, call.user, call.secret) == ("host1", "admin", "secret")
    assert parse(["https://host1:1700", "/sai", "60"]).computer == "https://host1:1700"
    assert "secret" not in repr(call)


def test_a_token_that_begins_with_a_dash_is_a_token() -> None:
    call = parse(["host1", "admin", "-a_b", "/dlv"])
    assert (call.secret, [each.switch.name for each in call.asked]) == ("-a_b", ["dlv"])


def test_options_stand_anywhere() -> None:
    call = parse(["--json", "/dlv", "--role=host", "--state-dir", "/srv/state"])
    assert (call.as_json, call.role, call.state_dir) == (True, Role.HOST, "/srv/state")


def test_what_a_kms_host_has_works_elsewhere_and_what_only_a_client_has_does_not() -> None:
    remote = {name for name, switch in SWITCHES.items() if switch.is_remote}
    assert remote == {name for name, switch in SWITCHES.items() if Role.HOST in switch.roles}
    call = parse(["host1", "alice", "qadm_x", "/ato", "--ca-file", "kms.crt"])
    assert (call.computer, call.user, call.secret, call.ca_file) == ("host1", "alice", "qadm_x", "kms.crt")


def test_a_file_behind_atp_may_begin_with_a_slash() -> None:
    assert parse(["/atp", "/srv/contoso.cert"]).asked[0].argument == "/srv/contoso.cert"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "no switch was given"),
        (["/dlx"], "unrecognized option /dlx; did you mean /dl"),
        (["--frobnicate"], "unrecognized option --frobnicate"),
        (["/dlv", "all", "more"], "unrecognized argument more"),
        (["/ckhc", "x"], "unrecognized argument x"),
        (["/ipk"], "option /ipk needs HOST-KEY"),
        (["/sai", "/sri", "60"], "option /sai needs MINUTES"),
        (["/sprt", ""], "option /sprt needs PORT"),
        (["/dlv", "--role"], "option --role needs a value"),
        (["/dlv", "--role", "publisher"], "host or client"),
        (["/dlv", "/dlv"], "invalid combination: /dlv twice"),
        (["/skms", "a", "/ckms"], "invalid combination: /skms and /ckms"),
        (["/cdns", "/sdns"], "invalid combination: /sdns and /cdns"),
        (["/spri", "/cpri"], "invalid combination: /spri and /cpri"),
        (["/skhc", "/ckhc"], "invalid combination: /skhc and /ckhc"),
        (["/sai", "60", "--role", "client"], "invalid combination: /sai is for a KMS host"),
        (["host1", "admin", "/dlv"], "user admin needs a password"),
        (["host1", "admin", "t", "more", "/dlv"], "unrecognized argument more"),
        (["host1", "/rearm"], "/rearm is for a KMS client, and clients have no remote administration: run it on host1"),
        (["host1", "/skms", "kms"], "/skms is for a KMS client, and clients have no remote administration"),
        (["host1", "/dlv", "--role", "client"], "invalid combination"),
        (["host1"], "no switch was given"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(words: list[str], reason: str) -> None:
    with pytest.raises(MisusedError) as caught:
        parse(words)
    assert reason in caught.value.message


@pytest.mark.parametrize("word", ["/?", "-?", "-h", "/HELP", "--help"])
def test_help_is_help_whatever_stands_beside_it(word: str) -> None:
    assert parse(["/dlv", "/dlv", word]).is_help


def test_the_usage_names_every_switch_on_lines_that_fit() -> None:
    shown = usage()
    assert all(switch.shown in shown for switch in SWITCHES.values())
    assert max(map(len, shown.splitlines())) <= 110


@given(st.lists(st.text(max_size=12) | st.sampled_from([f"/{name}" for name in SWITCHES]), max_size=8))
def test_whatever_is_typed_is_understood_or_refused(words: list[str]) -> None:
    with contextlib.suppress(MisusedError):
        call = parse(words)
        assert call.asked or call.is_help or call.is_version
