"""What the page on administration over the network tells people to type works as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from quorate.clock import SystemClock
from tests.dns.namespace import Namespace
from tests.dns.servers import need
from tests.support.child import Child
from tests.support.documents import World
from tests.support.hosting import make_host
from tests.support.source import ROOT

PAGE = ROOT / "docs/how-to/administer-over-the-network.md"
NAME, ADDRESS = "kms01.contoso.example", "192.0.2.10"
BIN = Path(sys.executable).parent
ANSWER_S = 180  # for the whole page; some twenty Python starts
READ = re.compile(r"^read -rsp .*$", re.MULTILINE)
MOVED = f"""
for try in $(seq 200); do
  curl --silent --cacert admin.crt https://{NAME}:1689/livez > alive && break
  sleep 0.1
done
"""


def test_typing_the_lines_of_the_page_ends_with_a_host_that_is_set_from_elsewhere(tmp_path: Path) -> None:
    need("curl", "jq", "openssl")
    state = tmp_path / "host"
    make_host(state, World(), SystemClock())
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    made = "quorate host token add alice --scope operate --expires 365"
    script = "".join(blocks).replace(made, f"{made} --json > token")
    script, count = READ.subn('export QUORATE_ADMIN_TOKEN="$(jq --raw-output .token token)"', script)
    assert count == 1
    script = script.replace("quorate host token add monitoring", f"{MOVED}\nquorate host token add monitoring")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("QUORATE_", "XDG_"))}
    environ = {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), "QUORATE_STATE_DIR": str(state)}
    with Namespace.made(ADDRESS, resolv_conf="", hosts=f"{ADDRESS} {NAME}\n") as room:
        command = [*room.prefix, str(BIN / "quorate"), "host", "run", "--no-dns", "--json"]
        with Child(command, environ=environ) as host:
            host.told()
            bash = [*room.prefix, "bash", "-euo", "pipefail"]
            done = subprocess.run(
                bash,
                input=script,
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env=environ,
                timeout=ANSWER_S,
                check=False,
            )
            assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
            assert host.terminate() == 0, host.err
    assert "License Status: Licensed" in done.stdout
    assert "The renewal interval is now 20160 minutes." in done.stdout
    assert f"alice ({ADDRESS}): renewal-interval: 10080 -> 20160" in done.stdout
    assert json.loads((tmp_path / "token").read_text())["token"] not in done.stdout + done.stderr
