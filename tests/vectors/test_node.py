"""The vectors in a second implementation: examples/verify-lease-node, with the `jose` package from its registry."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts.vectors.__main__ import FOLDER
from tests.support.needs import lacking
from tests.support.source import ROOT
from tests.support.surroundings import outer
from tests.vectors.support import EXAMPLES, Vector, codes_of, program, readme_commands, vectors

EXAMPLE = EXAMPLES / "verify-lease-node"
ONE = "answers/lease-client"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its one dependency, beside the vectors as in the repository."""
    npm = program("npm", "npm")
    program("node", "nodejs")
    top = tmp_path_factory.mktemp("node")
    (top / "spec").symlink_to(ROOT / "spec")
    folder = top / "examples" / EXAMPLE.name
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, env=outer())
    if done.returncode:
        lacking(f"npm ci failed, so there is no jose: {done.stderr[-500:]}")
    return folder


@pytest.fixture(scope="module")
def outcomes(installed: Path) -> dict[str, dict[str, Any]]:
    """What it makes of every vector, by name."""
    done = node(installed, "run-vectors.mjs", str(FOLDER))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line["outcome"] for line in lines}


def node(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("node", "nodejs"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_node_agrees_with(vector: Vector, outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes[vector["name"]]
    if codes_of(vector):
        assert outcome["outcome"] == "invalid", vector["shows"]
        assert outcome["code"] in codes_of(vector), vector["shows"]
    else:
        assert outcome == vector["expected"], vector["shows"]


def verify(folder: Path, name: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """`verify.mjs` on the files of a vector of kind `answer`."""
    given = next(vector for vector in vectors() if vector["name"] == name)["input"]
    files = {"publisher": json.dumps(given["keys"]), "product": given["product"] + "\n", "answer": given["body"]}
    for option, text in files.items():
        (folder / f"{option}.file").write_text(text, encoding="utf-8")
    options = (
        {option: f"{option}.file" for option in files} | given["question"] | {"now": str(given["now_s"])} | changes
    )
    return node(folder, "verify.mjs", *(part for option, value in options.items() for part in (f"--{option}", value)))


def test_the_command_tells_a_lease_a_refusal_a_forgery_and_misuse_apart(installed: Path) -> None:
    assert json.loads(verify(installed, ONE).stdout)["typ"] == "lease+jwt"
    assert verify(installed, ONE).returncode == 0
    assert verify(installed, "answers/refusal-count-insufficient").returncode == 3
    forged = verify(installed, "answers/signer-borrowed-kid")
    assert (forged.returncode, forged.stdout) == (1, "")
    assert "BAD_SIGNATURE" in forged.stderr
    later = verify(installed, ONE, now="1900000000")
    assert (later.returncode, later.stdout) == (1, "")
    assert verify(installed, ONE, now="tomorrow").returncode == 2
    assert "--cmid" in node(installed, "verify.mjs", "--help").stdout


def test_the_commands_of_its_readme_work(installed: Path) -> None:
    commands = readme_commands(EXAMPLE).replace("npm ci\n", "")  # the fixture did that
    program("jq", "jq")
    done = subprocess.run(["bash", "-euc", commands], cwd=installed, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"{len(vectors())} of {len(vectors())} vectors agree" in done.stderr
    assert '"typ": "lease+jwt"' in done.stdout


def test_the_lock_pins_by_hash_and_names_no_registry() -> None:
    lock = json.loads((EXAMPLE / "package-lock.json").read_text("utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert list(packages) == ["node_modules/jose"]
    assert packages["node_modules/jose"]["integrity"].startswith("sha512-")
    assert "resolved" not in packages["node_modules/jose"]
    wanted = json.loads((EXAMPLE / "package.json").read_text("utf-8"))["dependencies"]
    assert wanted == {"jose": packages["node_modules/jose"]["version"]}
    assert re.fullmatch(r"[0-9.]+", wanted["jose"])
