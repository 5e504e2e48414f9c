"""`product.toml`: what it may say, and how each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from quorate.core.messages import encode
from quorate.core.policy import DAY_S, PROFILES, MachineClass, SoftThreshold, Threshold
from quorate.errors import FileAccessError, InvalidSourceError, MalformedError
from quorate.publisher.product import parse_source
from tests.publisher.world import SOURCE, write_source

INTERFACE = """
id = "acme-cad"
name = "Acme CAD"
group = "acme"                       # host keys are issued for groups; a higher group covers the ones it lists
service = "_quorate._tcp"            # DNS service label
profile = "windows-7"                # the numbers of BEHAVIOUR.md; any of them can be overridden below

[[edition]]
id = "acme-cad-pro"
name = "Acme CAD Professional"
class = "client"                     # client | server | ephemeral

[[edition]]
id = "acme-cad-server"
name = "Acme CAD Compute Server"
class = "server"

[threshold.client]
minimum = 25
counts = ["server", "client"]
[threshold.server]
minimum = 5
counts = ["server"]

[validity]                           # days
activation = 180
count_window = 30
initial_grace = 30
additional_grace = 30
"""


def test_the_documented_source_gives_the_numbers_of_windows_7(tmp_path: Path) -> None:
    product = parse_source(write_source(tmp_path, INTERFACE), "Acme Software", 1)
    assert product.policy == PROFILES["windows-7"]
    assert [(each.id, each.machine_class) for each in product.editions] == [
        ("acme-cad-pro", "client"),
        ("acme-cad-server", "server"),
    ]
    assert (product.product, product.group, product.covers, product.service) == (
        "acme-cad",
        "acme",
        (),
        "_quorate._tcp",
    )


def test_what_is_left_out_is_taken_from_the_profile(tmp_path: Path) -> None:
    assert parse_source(write_source(tmp_path), "A", 1).policy == PROFILES["windows-7"]
    combined = parse_source(write_source(tmp_path, 'profile = "combined"\n' + SOURCE), "A", 1)
    assert combined.policy == PROFILES["combined"]


def test_every_number_can_be_overridden(tmp_path: Path) -> None:
    text = (
        'covers = ["acme-lite", "acme-view"]\nrearm_limit = 0\nservice = "_acme-kms._tcp"\n'
        + SOURCE
        + """
[threshold.client]
minimum = 2
[threshold.server]
minimum = 1
counts = ["client"]
[threshold.ephemeral]
minimum = 3
counts = ["server"]
[validity]
activation = 90
ephemeral = 2
count_window = 14
initial_grace = 0
additional_grace = 7
[clock]
tolerance_minutes = 10
"""
    )
    product = parse_source(write_source(tmp_path, text), "A", 1)
    policy = product.policy
    assert product.covers == ("acme-lite", "acme-view")
    assert product.service == "_acme-kms._tcp"
    assert (policy.thresholds.client.minimum, policy.thresholds.client.counts) == (2, ("server", "client"))
    assert (policy.thresholds.server.minimum, policy.thresholds.server.counts) == (1, ("client",))
    assert (policy.thresholds.ephemeral.minimum, policy.thresholds.ephemeral.counts) == (3, ("server",))
    assert (policy.activation_validity_s, policy.ephemeral_validity_s) == (90 * DAY_S, 2 * DAY_S)
    assert (policy.count_window_s, policy.initial_grace_s, policy.additional_grace_s) == (14 * DAY_S, 0, 7 * DAY_S)
    assert (policy.clock_tolerance_s, policy.rearm_limit) == (600, 0)


def test_ephemeral_machines_meet_the_clients_threshold_unless_told_otherwise(tmp_path: Path) -> None:
    product = parse_source(write_source(tmp_path, SOURCE + "[threshold.client]\nminimum = 2\n"), "A", 1)
    assert product.policy.thresholds.of(MachineClass.EPHEMERAL) == product.policy.thresholds.client


def test_a_soft_threshold_is_granted_where_the_source_says_so_and_nowhere_else(tmp_path: Path) -> None:
    granted = parse_source(write_source(tmp_path, soft("{ minimum = 20, days = 30 }")), "A", 1).policy.thresholds
    assert granted.client == Threshold(25, (MachineClass.SERVER, MachineClass.CLIENT), SoftThreshold(20, 30 * DAY_S))
    assert granted.ephemeral == granted.client
    assert granted.server == PROFILES["windows-7"].thresholds.server
    assert b"soft" not in encode(parse_source(write_source(tmp_path), "A", 1))
    own = soft("{ minimum = 20, days = 30 }") + "[threshold.ephemeral]\nminimum = 10\n"
    assert parse_source(write_source(tmp_path, own), "A", 1).policy.thresholds.ephemeral.soft is UNSET


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minimum=st.integers(min_value=1, max_value=10_000))
def test_s05_a_publisher_can_set_any_minimum_one_included(tmp_path: Path, minimum: int) -> None:
    text = SOURCE + f"[threshold.client]\nminimum = {minimum}\n"
    assert parse_source(write_source(tmp_path, text), "A", 1).policy.thresholds.client.minimum == minimum


def test_a_file_saved_on_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "product.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SOURCE.replace("\n", "\r\n").encode())
    assert parse_source(path, "A", 1).product == "acme-cad"


def top(line: str) -> str:
    return line + "\n" + SOURCE


def without(line: str) -> str:
    assert line in SOURCE
    return SOURCE.replace(line, "", 1)


def instead(old: str, new: str) -> str:
    assert old in SOURCE
    return SOURCE.replace(old, new, 1)


def soft(value: str) -> str:
    return f"{SOURCE}[threshold.client]\nsoft = {value}\n"


MISTAKES = {
    "a missing id": (without('id = "acme-cad"'), "`id` is missing", 'Add the line id = "acme-cad"'),
    "a missing name": (without('name = "Acme CAD"'), "`name` is missing", "Add the line name"),
    "a missing group": (without('group = "acme"'), "`group` is missing", "Add the line group"),
    "no editions": (SOURCE.split("[[edition]]")[0], "`edition` is missing", "[[edition]]"),
    "an edition without class": (without('class = "client"'), "`edition 1.class` is missing", "class"),
    "an edition with single brackets": (
        SOURCE.split("[[edition]]")[0] + '[edition]\nid = "a"\n',
        "`edition` is a single table",
        "[[edition]]",
    ),
    "editions as texts": (top('edition = ["a"]').split("[[edition]]")[0], "must be a list of tables", "[[edition]]"),
    "an id with capitals and blanks": (instead('"acme-cad"', '"Acme CAD"'), 'has "Acme CAD"', 'Perhaps "acme-cad"?'),
    "an id out of the folder": (instead('"acme-cad"', '"../etc"'), 'has "../etc"', 'Perhaps "etc"?'),
    "an id with a line break": (instead('"acme-cad"', '"acme\\n"'), "line break", "one line"),
    "an empty name": (instead('"Acme CAD"', '" "'), "`name` is empty", "Acme CAD"),
    "a name without end": (instead('"Acme CAD"', f'"{"x" * 201}"'), "has 201 characters", "At most 200"),
    "a number for a name": (instead('"Acme CAD"', "7"), "must be a text, not the number 7", "Write name"),
    "a date for a name": (instead('"Acme CAD"', "2026-11-24"), "not a date or time", "Write name"),
    "two editions of one id": (
        instead('"acme-cad-server"', '"acme-cad-pro"'),
        "`edition 2.id` is acme-cad-pro, which another edition has",
        "its own",
    ),
    "an unknown class": (instead('"client"', '"clinet"'), '`edition 1.class` has "clinet"', "Did you mean client?"),
    "a class in capitals": (instead('"client"', '"Client"'), 'has "Client"', "Did you mean client?"),
    "an unknown profile": (top('profile = "windows7"'), '`profile` has "windows7"', "Did you mean windows-7?"),
    "an unknown key": (top('nmae = "x"'), "`nmae` is not known", "Did you mean name?"),
    "an unknown table": (SOURCE + "[thresholds.client]\nminimum = 2\n", "`thresholds`", "Did you mean threshold?"),
    "an unknown threshold": (SOURCE + "[threshold.clients]\nminimum = 2\n", "`threshold.clients`", "mean client?"),
    "an unknown key below": (SOURCE + "[threshold.client]\nminimun = 2\n", "minimun` is not known", "mean minimum?"),
    "a key of the top below a heading": (
        SOURCE + 'covers = ["x"]\n',
        "`edition 2.covers` is not known",
        "above the first [heading]",
    ),
    "an unknown validity": (SOURCE + "[validity]\nactivations = 3\n", "`validity.activations`", "mean activation?"),
    "a table that is none": (top("validity = 180"), "must be a table, not the number 180", "[validity]"),
    "minimum zero": (SOURCE + "[threshold.client]\nminimum = 0\n", "from 1 to 10000, not 0", "minimum = 25"),
    "minimum below zero": (SOURCE + "[threshold.client]\nminimum = -1\n", "from 1 to 10000, not -1", "minimum"),
    "minimum over the bound": (SOURCE + "[threshold.client]\nminimum = 10001\n", "not 10001", "minimum"),
    "minimum without end": (
        SOURCE + f"[threshold.client]\nminimum = 0x{'f' * 9000}\n",
        "one of many digits",
        "minimum",
    ),
    "more digits than are read": (SOURCE + f"[threshold.client]\nminimum = {'9' * 9000}\n", "not TOML", ""),
    "minimum as a truth": (SOURCE + "[threshold.client]\nminimum = true\n", "from 1 to 10000, not true", "minimum"),
    "minimum with a fraction": (SOURCE + "[threshold.client]\nminimum = 25.0\n", "not the number 25.0", "minimum"),
    "minimum as a text": (SOURCE + '[threshold.client]\nminimum = "25"\n', 'not the text "25"', "minimum = 25"),
    "nothing counts": (SOURCE + "[threshold.client]\ncounts = []\n", "`threshold.client.counts` is empty", "server"),
    "ephemeral counts": (SOURCE + '[threshold.client]\ncounts = ["ephemeral"]\n', "never count", "server"),
    "a class counts twice": (SOURCE + '[threshold.client]\ncounts = ["client", "client"]\n', "twice", "server"),
    "an unknown class counts": (SOURCE + '[threshold.client]\ncounts = ["sever"]\n', 'has "sever"', "mean server?"),
    "counts as a text": (SOURCE + '[threshold.client]\ncounts = "server"\n', "must be a list of texts", "counts = ["),
    "counts with numbers": (SOURCE + "[threshold.client]\ncounts = [1]\n", "has the number 1 in it", "counts = ["),
    "a soft minimum that is no lower": (soft("{ minimum = 25, days = 30 }"), "is 25, which is not below", "1 to 24"),
    "a soft minimum of zero": (soft("{ minimum = 0, days = 30 }"), "from 1 to 10000, not 0", "minimum = 24"),
    "a soft threshold below one": (
        SOURCE + "[threshold.client]\nminimum = 1\nsoft = { minimum = 1, days = 1 }\n",
        "is 1, which is not below the minimum of 1",
        "Take the line out",
    ),
    "a soft minimum alone": (soft("{ minimum = 20 }"), "`threshold.client.soft.days` is missing", "days = 30"),
    "soft days alone": (soft("{ days = 20 }"), "`threshold.client.soft.minimum` is missing", "minimum = 20"),
    "soft days without end": (soft("{ minimum = 20, days = 99999 }"), "not 99999", "days = 30"),
    "no soft days": (soft("{ minimum = 20, days = 0 }"), "from 1 to 36600, not 0", "days = 30"),
    "a soft number": (soft("20"), "must be a table, not the number 20", "[threshold.client.soft]"),
    "an unknown soft key": (soft("{ minimum = 20, day = 30 }"), "soft.day` is not known", "Did you mean days?"),
    "no days": (SOURCE + "[validity]\nactivation = 0\n", "from 1 to 36600, not 0", "activation = 180"),
    "days without end": (SOURCE + "[validity]\ncount_window = 99999\n", "not 99999", "count_window = 30"),
    "a clock of no tolerance": (SOURCE + "[clock]\ntolerance_minutes = 0\n", "from 1 to 10080", "240"),
    "rearm below zero": (top("rearm_limit = -1"), "from 0 to 1000", "rearm_limit = 3"),
    "covers as a text": (top('covers = "x"'), "`covers` must be a list of texts", 'covers = ["lower-group"]'),
    "covers twice the same": (top('covers = ["x", "x"]'), "`covers` names a group twice", "once"),
    "covers no group name": (top('covers = ["A B"]'), 'has "A B"', 'Perhaps "a-b"?'),
    "covers too much": (top(f"covers = {[f'g{n}' for n in range(65)]}"), "has 65 entries", "At most 64"),
    "Microsoft's service label": (top('service = "_vlmcs._tcp"'), "belongs to Microsoft", "_quorate._tcp"),
    "a service label that is none": (top('service = "quorate"'), "no DNS service label", "_quorate._tcp"),
    "a udp service": (top('service = "_quorate._udp"'), "no DNS service label", "_quorate._tcp"),
    "a broken line": (top("id ="), "not TOML: invalid value (at line 1", "quotes"),
    "a key that stands twice": (SOURCE + 'id = "x"\nid = "y"\n', "not TOML", "once"),
    "a name without quotes": (instead('"Acme CAD"', "Acme CAD"), "line 3", "quotes"),
}


@pytest.mark.parametrize(("text", "reason", "fix"), MISTAKES.values(), ids=MISTAKES.keys())
def test_each_mistake_is_told_with_its_place_and_its_fix(tmp_path: Path, text: str, reason: str, fix: str) -> None:
    path = write_source(tmp_path, text)
    with pytest.raises(InvalidSourceError) as caught:
        parse_source(path, "A", 1)
    assert caught.value.message.startswith(f"{path}: ")
    assert reason in caught.value.message
    assert fix in caught.value.hint
    assert len(caught.value.message) + len(caught.value.hint) < 600


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "product.toml"
    path.write_bytes('id = "acme"\nname = "Açme"\n'.encode("latin-1"))
    with pytest.raises(InvalidSourceError, match="line 2 is not UTF-8"):
        parse_source(path, "A", 1)


def test_a_file_that_is_not_there_or_far_too_large_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match="no such file"):
        parse_source(tmp_path / "nothing.toml", "A", 1)
    with pytest.raises(MalformedError, match="larger than"):
        parse_source(write_source(tmp_path, "#" * 70_000), "A", 1)
    with pytest.raises(FileAccessError, match="is a directory"):
        parse_source(tmp_path, "A", 1)


_values = st.recursive(
    st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
_keys = st.sampled_from(["id", "name", "group", "covers", "service", "profile", "rearm_limit", "edition", "threshold"])


def _toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08X}" for c in value if not 0xD800 <= ord(c) < 0xE000) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return str(value).lower()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_keys, _values))
def test_whatever_stands_in_it_only_our_error_comes_out(tmp_path: Path, values: dict[str, object]) -> None:
    lines = [line for line in SOURCE.split("[[edition]]")[0].splitlines() if line.split(" ")[0] not in values]
    text = "\n".join([*lines, *(f"{key} = {_toml(value)}" for key, value in values.items())]) + "\n"
    if "edition" not in values:
        text += "[[edition]]" + SOURCE.split("[[edition]]")[1]
    path = write_source(tmp_path, text)
    try:
        outcome = " ".join(edition.id for edition in parse_source(path, "A", 1).editions)
    except InvalidSourceError as error:
        outcome = error.message
    assert outcome
    assert "not TOML" not in outcome  # else this test would try the TOML parser, not ours
