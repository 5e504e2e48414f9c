"""What people install is whole and small: wheel and sdist are built, and installed in bare environments with the lock's
versions, once for each extra."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import quorate
from quorate.errors.installing import DISTRIBUTION, pip_install
from tests.support.source import ROOT, SRC, python_files
from tests.support.surroundings import outer
from tests.test_architecture import CLIENT_DEPENDENCIES
from tests.test_tidy import text_files

CLIENT_IMPORTS = {"cryptography", "dns", "joserfc", "msgspec", "urllib3"}
CARRIED = {"cffi", "_cffi_backend", "_openssl", "pycparser", "typing_extensions"}  # what those five need themselves
TIMEOUT_S = 300  # a build and an installation, on a slow machine, with nothing in the cache

WHAT_IS_IMPORTED = """
import sys
before = set(sys.modules)
import quorate
tops = {name.split(".")[0] for name in set(sys.modules) - before}
print(" ".join(sorted(tops - set(sys.stdlib_module_names))))
"""


@pytest.fixture(scope="module")
def uv() -> str:
    found = next((path for path in (ROOT / ".tools/bin/uv",) if path.exists()), shutil.which("uv"))
    if found is None:
        pytest.fail("uv is needed to build the package. Run: make venv", pytrace=False)
    return str(found)


def run(*command: str | Path, **variables: str) -> str:
    """What the command prints; it must work."""
    environment = {**outer(), "UV_PYTHON_DOWNLOADS": "never", **variables}
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(uv, "build", "--quiet", "--python", sys.executable, "--out-dir", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("quorate_activation-*.whl"))


def install(uv: str, wheel: Path, folder: Path, extra: str | None) -> Path:
    """A fresh environment with the wheel, one extra of it, and the versions of the lock file."""
    wanted = ["--extra", extra] if extra else []
    locked = run(uv, "export", "--quiet", "--frozen", "--no-default-groups", "--no-emit-project", *wanted)
    requirements = folder / "requirements.txt"
    requirements.write_text(locked, encoding="utf-8")
    run(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv/bin/python"
    run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--requirement", requirements, wheel)
    run(uv, "pip", "check", "--quiet", "--python", python)
    return python


@pytest.fixture(scope="module")
def bare(uv: str, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with nothing but `pip install` of the wheel."""
    return install(uv, wheel, tmp_path_factory.mktemp("bare"), None)


def files_of_the_package() -> set[str]:
    inside = (path for path in (SRC / "quorate").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(SRC).as_posix() for path in inside}


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert files_of_the_package() <= names
    assert "quorate/py.typed" in names
    assert any(name.startswith("quorate/host/store/migrations/versions/v0001") for name in names)
    version = f"quorate_activation-{quorate.__version__}"
    assert {name.split("/")[0] for name in names} == {"quorate", f"{version}.dist-info", f"{version}.data"}
    pages = {path.relative_to(ROOT / "docs/man").as_posix() for path in (ROOT / "docs/man").rglob("*.[15]")}
    assert {f"{version}.data/data/share/man/{page}" for page in pages} == {name for name in names if ".data/" in name}
    assert f"{version}.dist-info/licenses/LICENSE" in names


KEYS = (
    "vault/publisher.key",
    "host/host.key",
    "pc1/acme-cad/client.json",
    "tests/mine.key",
    "contoso.req",
    "notes/plan.txt",
)
"""What may lie about in a checkout where somebody has typed the pages' commands."""
LISTED = {".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md"}
LISTED |= {"benchmarks", "docs", "examples", "scripts", "spec", "src", "tests", "pyproject.toml", "uv.lock"}
NOT_COPIED = (".venv", ".tools", ".git", "dist", "build", "node_modules", "__pycache__", ".*_cache", ".hypothesis")


@pytest.fixture(scope="module")
def unpacked(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of a checkout without .git in which keys lie about, unpacked."""
    top = tmp_path_factory.mktemp("archive")
    checkout = top / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(*NOT_COPIED))
    for each in KEYS:
        (checkout / each).parent.mkdir(parents=True, exist_ok=True)
        (checkout / each).write_text("a secret")
    run(uv, "build", "--quiet", "--sdist", "--python", sys.executable, "--out-dir", top, checkout)
    with tarfile.open(next(top.glob("quorate_activation-*.tar.gz"))) as archive:
        archive.extractall(top / "out", filter="data")
    return next((top / "out").iterdir())


def test_the_sdist_has_the_whole_project(unpacked: Path) -> None:
    ours = {path.relative_to(ROOT) for path in (*python_files(), *text_files())}
    missing = {str(each) for each in ours if each.parts[0] in LISTED and not (unpacked / each).is_file()}
    assert not missing
    assert (unpacked / "scripts/bootstrap").stat().st_mode & 0o111


def test_the_sdist_has_nothing_that_lies_about(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir()} - {"PKG-INFO", "deploy"} == LISTED
    assert not [each for each in KEYS if (unpacked / each).exists()]


def test_what_is_unpacked_without_git_is_linted_and_tested_as_a_clone_is(unpacked: Path) -> None:
    tools = unpacked / ".tools"
    tools.mkdir()
    (tools / "not_ours.py").write_text("import os, sys\nx = 1;\n")
    bin_ = Path(sys.executable).parent
    run("bash", "-euc", f"cd {unpacked}; {bin_}/ruff check --no-cache .; {bin_}/ruff format --no-cache --check .")
    tests = "tests/test_tidy.py tests/test_architecture.py tests/test_waits.py"
    run("bash", "-euc", f"cd {unpacked}; {sys.executable} -m pytest -q -p no:cacheprovider {tests}")


def test_import_quorate_pulls_in_the_clients_libraries_and_no_others(bare: Path) -> None:
    imported = set(run(bare, "-I", "-W", "error", "-c", WHAT_IS_IMPORTED).split()) - {"quorate"}
    assert imported <= CLIENT_IMPORTS | CARRIED, "import quorate must stay cheap for the program that embeds it"
    assert run(bare, "-I", "-c", "import quorate; print(quorate.__version__)").strip() == quorate.__version__


def test_a_bare_installation_is_the_client_and_its_five_libraries(uv: str, bare: Path) -> None:
    installed = {line.split("==")[0] for line in run(uv, "pip", "freeze", "--quiet", "--python", bare).splitlines()}
    installed = {line.split(" @ ")[0] for line in installed}
    assert CLIENT_DEPENDENCIES | {DISTRIBUTION} <= installed
    assert installed - CLIENT_DEPENDENCIES - {DISTRIBUTION} <= {"cffi", "pycparser", "typing-extensions"}


def test_the_sdk_works_in_a_bare_installation(bare: Path) -> None:
    assert (
        run(bare, "-I", "-c", "from quorate import Client, QuorateError, Status; print(Client.__name__)") == "Client\n"
    )


def test_the_command_without_its_extra_says_what_to_install(bare: Path) -> None:
    done = subprocess.run(
        [bare.parent / "quorate", "client", "status"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"error: typer is not installed\nhint: {pip_install('cli')}\n"


@pytest.mark.parametrize(
    ("extra", "works", "needs"),
    [
        ("cli", ["client"], {"host": "host", "publisher": "publisher"}),
        ("publisher", ["client", "publisher"], {"host": "host"}),
        ("host", ["client", "host"], {}),
    ],
)
def test_each_extra_brings_what_its_commands_need(
    uv: str, wheel: Path, tmp_path: Path, extra: str, works: list[str], needs: dict[str, str]
) -> None:
    command = install(uv, wheel, tmp_path, extra).parent / "quorate"
    assert run(command, "--version").strip() == quorate.__version__
    for group in works:
        assert f"quorate {group}" in run(command, group, "--help")
    for group, missing in needs.items():
        done = subprocess.run(
            [command, group, "--help"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert done.returncode == 1
        assert f"hint: pip install 'quorate-activation[{missing}]'" in done.stderr


# --- its name --------------------------------------------------------------------------------------------------------


def test_the_distribution_is_not_called_by_the_strangers_name(wheel: Path) -> None:
    metadata = zipfile.ZipFile(wheel).read(f"quorate_activation-{quorate.__version__}.dist-info/METADATA").decode()
    assert f"\nName: {DISTRIBUTION}\n" in metadata
    for minor in range(11, 15):
        assert f"\nClassifier: Programming Language :: Python :: 3.{minor}\n" in metadata
    assert "\nRequires-Dist: quorate" not in metadata, "the build replaces its own extras by what they bring"


def test_nobody_is_told_to_install_the_strangers_program() -> None:
    stranger = re.compile(r"\b(?:pip|pipx|uv|uvx)\b (?:[-\w]+ )*['\"]?quorate(?:\[|['\"`\s]|$)", re.MULTILINE)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in text_files()
        for match in stranger.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_every_wheel_that_a_page_names_is_the_one_that_make_wheel_builds(wheel: Path) -> None:
    named = {
        name
        for path in text_files()
        if path.suffix == ".md"
        for name in re.findall(r"quorate_activation-[\w.]+-py3-none-any\.whl", path.read_text(encoding="utf-8"))
    }
    assert named == {wheel.name}


def test_make_wheel_puts_the_wheel_into_dist() -> None:
    shown = run("make", "--dry-run", "wheel")
    assert "build --quiet --wheel" in shown
    assert "--out-dir dist" in shown


def test_the_line_of_the_service_page_installs_the_host(wheel: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/run-as-a-service.md").read_text(encoding="utf-8")
    first, *rest = re.findall(r"^```\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)[0].splitlines()
    assert first == "make wheel"
    (tmp_path / "dist").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(wheel, tmp_path / "dist")
    script = "\n".join(rest).replace("sudo ", "").replace("/opt/", f"{tmp_path}/").replace("/usr/local/bin", "bin")
    script = script.replace("python3 ", f"{sys.executable} ")
    run("bash", "-euc", f"cd {tmp_path}\n{script}")
    assert run(tmp_path / "bin/quorate", "--version").strip() == quorate.__version__
    assert "quorate host" in run(tmp_path / "bin/quorate", "host", "--help")


def test_the_line_of_the_readme_shows_the_demo_from_the_wheel(uv: str, wheel: Path, tmp_path: Path) -> None:
    [line] = re.findall(r"^\$ (uvx .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / "dist").mkdir()
    shutil.copy(wheel, tmp_path / "dist")
    command = line.replace("uvx", f"{uv} tool run --python {sys.executable}")
    options = "--port 0 --admin-port 0 --clients 2 --threshold-client 1 --retry-seconds 0 --exit --json"
    said = run("bash", "-euc", f"cd {tmp_path}; {command} {options}", TMPDIR=str(tmp_path))
    assert json.loads(said)["leases_verified"] == 2
