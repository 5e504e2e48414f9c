"""`docs/how-to/replace-a-host.md`, typed as it stands there: activate, rotate, revoke, replace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import KEY, Desk, lines


def test_the_story_of_the_page_works_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, monkeypatch)
    told: dict[str, dict[str, object]] = {}
    for title, words in lines("replace-a-host.md", leave_out="Online"):  # that part needs a publisher on the network
        assert words[0] == "quorate"
        if title == "Replace":
            desk.host = "second"
        shown = [desk.key if word == KEY else word for word in words[1:]]
        if "revoke" in shown:
            shown[shown.index("--host") + 1] = str(told["Rotate status"]["host_id"])
        told[f"{title} {words[2]}"] = desk.said(*shown)
    assert told["Activate status"]["activated"] is True
    assert (told["Rotate status"]["activated"], told["Rotate status"]["keys_version"]) == (True, 3)
    assert (told["Revoke update"]["activated"], told["Revoke update"]["code"]) == (False, "HOST_REVOKED")
    replaced = told["Replace status"]
    assert (replaced["activated"], replaced["keys_version"], replaced["revocations"]) == (True, 3, 1)
    assert replaced["host_id"] != told["Rotate status"]["host_id"]
