"""The Big List of Naughty Strings as names of machines and customers, through every place that shows them."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from contextlib import redirect_stdout
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import msgspec
import pytest

from quorate.cli.host import _print_csv
from quorate.cli.output import Output
from quorate.core.documents import HOST_CERTIFICATE, read
from quorate.core.events import RequestHandled
from quorate.core.ids import text_flaw
from quorate.core.messages import LicenseStatus, decode_request, encode
from quorate.core.policy import MachineClass
from quorate.errors import InvalidSettingError, MalformedRequestError
from quorate.errors.base import written_out
from quorate.host.console import pages
from quorate.host.export.forms import event, journal_datagram, json_line, syslog_message
from quorate.host.store.reports import StoredEvent
from quorate.host.views import ClientView
from tests.corpora.reading import naughty_strings
from tests.export.receivers import Syslog, journal_fields
from tests.fuzz.decoders import WORLD
from tests.publisher.world import AskingHost, new_publisher
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import cmid_of

STRINGS = list(dict.fromkeys(naughty_strings()))


def is_taken(name: str) -> bool:
    body = json.dumps({**msgspec.to_builtins(WORLD.request()), "machine": name}).encode()
    try:
        return decode_request(body).machine == name
    except MalformedRequestError:
        return False


NAMES = [name for name in STRINGS if is_taken(name)]


def row_of(name: str) -> ClientView:
    return ClientView(
        machine=name,
        cmid=cmid_of(1),
        group="acme",
        edition="acme-cad-pro",
        machine_class=MachineClass.CLIENT,
        status="licensed",
        first_seen_s=START_S,
        last_seen_s=START_S,
        address="10.0.0.7",
        requests=1,
        lease_expires_s=None,
        flags=(),
        other_machine=name,
    )


def is_steering(text: str) -> bool:
    """Whether something in it could move a cursor, end a line, or turn the direction of writing."""
    return any(unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in "\u202a\u202b\u202c\u202d\u202e" for c in text)


def test_a_machine_is_called_by_what_can_be_shown_in_one_line() -> None:
    assert len(STRINGS) > 480
    for name in STRINGS:
        assert is_taken(name) == (text_flaw(name) is None and len(name) <= 253), ascii(name)
    assert not any(map(is_steering, NAMES))
    assert len(NAMES) > 400
    assert encode(decode_request(encode(WORLD.request())))


def test_a_customer_of_any_fit_name_is_confirmed_and_any_other_is_refused(tmp_path: Path) -> None:
    publisher = new_publisher(tmp_path, ManualClock())
    tried = 0
    for name in STRINGS:
        if text_flaw(name) is not None or len(name) > 200:
            with pytest.raises(InvalidSettingError):
                publisher.issue_host_key(name, ["acme"])
        elif tried < 60 or not name.isascii():
            tried += 1
            key = publisher.issue_host_key(name, ["acme"])
            token = publisher.confirm(AskingHost(tried).request(key))
            assert read(HOST_CERTIFICATE, token, publisher.verify_keys).customer == name


class _Shown(HTMLParser):
    """The tags of a page, and its texts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"{tag} {sorted(name for name, _ in attrs)}")

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(name: str) -> _Shown:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(pages.__file__).parent / "templates"), autoescape=True
    )
    templates.filters.update(utc=str, span=str, words=str, number=str)
    page = templates.get_template("clients.html").render(
        {
            "signed_in": True,
            "here": "clients",
            "search": name,
            "rows": [row_of(name)],
            "is_cut": False,
            "rows_max": 1,
            "now_s": START_S,
        }
    )
    parser = _Shown()
    parser.feed(page)
    parser.close()
    return parser


def test_in_the_console_a_name_is_a_text_and_adds_no_tag() -> None:
    plain = shown("pc").tags
    for name in NAMES:
        page = shown(name)
        assert page.tags == plain, ascii(name)
        assert name in page.text, ascii(name)


def test_in_csv_a_name_is_one_field_and_no_formula() -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        _print_csv(map(row_of, NAMES))
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(rows) == len(NAMES)
    for name, row in zip(NAMES, rows, strict=True):
        assert row["machine"] in (name, "'" + name)
        assert row["machine"][0] not in "=+-@\t\r"
        assert (row["cmid"], row["flags"], row["other_machine"]) == (cmid_of(1), "", row["machine"])


def test_on_a_terminal_and_as_json_lines_a_name_is_one_text() -> None:
    for name in NAMES:
        out = io.StringIO()
        with redirect_stdout(out):
            Output(as_json=False).rows([{"machine": name}], {"machine": "Machine"})
        lines = out.getvalue().rstrip("\n").split("\n")
        assert not any(map(is_steering, lines)), ascii(name)
        shown = written_out(name)  # what a terminal would obey is spelled
        assert "".join(shown.split()) in "".join("".join(lines[1:]).split()), ascii(name)
        out = io.StringIO()
        with redirect_stdout(out):
            Output(as_json=True).rows([{"machine": name}], {"machine": "Machine"})
        [line] = out.getvalue().split("\n")[:-1]
        assert json.loads(line) == {"machine": name}


def test_journald_syslog_and_json_lines_give_each_name_back_and_nothing_beside_it() -> None:
    for number, name in enumerate(NAMES, start=1):
        handled = RequestHandled(
            time_s=START_S,
            code=None,
            hresult=0,
            group="acme",
            threshold=25,
            count=7,
            machine=name,
            cmid=cmid_of(1),
            client_time_s=START_S,
            vm=False,
            status=LicenseStatus.LICENSED,
            expires_in_min=10,
            edition="acme-cad-pro",
            address="192.0.2.7",
        )
        given = event(StoredEvent(number, handled), bytes(32))
        assert json.loads(json_line(given))["machine"] == name
        assert json_line(given).count(b"\n") == 1
        fields = journal_fields(journal_datagram(given))
        assert fields["QUORATE_MACHINE"] == name
        assert "\n" not in fields["MESSAGE"]
        message = Syslog.parse(syslog_message(given, name))
        assert message.fields["machine"] == name
        assert message.fields["cmid"] == cmid_of(1)
        assert message.host.isascii()
        assert " " not in message.host
