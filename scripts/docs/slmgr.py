"""`docs/reference/slmgr.md`: every switch of `quorate-slmgr`."""

from __future__ import annotations

from quorate.cli.slmgr.grammar import SWITCHES, Role, Switch
from scripts.docs.words import cell

__all__ = ["slmgr_page"]

_HEAD = """# quorate-slmgr

slmgr's own switches, for hands that know them. `quorate-slmgr [ComputerName [User Password]] [switch ...]`; each
switch with `/` or `-`, in any case; several are done in order, and the first failure ends the call. What is shown has
slmgr's lines in slmgr's order; days are minutes divided by 1440, rounded down. Unlike slmgr.vbs it has exit codes
(0 worked, 1 failed, 2 misused, 3 refused by the host), `--json` (one object for each switch) and no windows.

**Another machine:** `quorate-slmgr host1 alice TOKEN /dlv` talks to that host's administration (`https://host1:1689`;
on loopback `http://`; both and another port may be written out). TOKEN is one that `quorate host token add alice` has
printed there, or `QUORATE_ADMIN_TOKEN`, or `-` to be asked for it; the user is the token's name, or `admin` for any.
Every switch of a KMS host works there; clients have no remote administration. On the host itself its `admin.token` is
read. How to open it: [administer over the network](../how-to/administer-over-the-network.md).

**Which machine:** a switch for a KMS host works on a KMS host, one for a client on a client. Where a machine is both,
`--role host` or `--role client` decides, and what only shows shows both. A host key is never installed on a machine
that is only a client. Settings are refused on a host that is not activated.

| switch | on | elsewhere | |
|---|---|---|---|
"""

_TAIL = """
An activation id is the id of a product or of one of its editions.

| flag | |
|---|---|
| `--json` | one JSON object for each switch, on stdout; an error is an object too |
| `--role` | `host` or `client`, where this machine is both |
| `--product-id` | which product, where a client has several |
| `--state-dir` | folder of this machine's state; `QUORATE_STATE_DIR` |
| `--ca-file` | whom to believe about another machine's certificate, PEM; `QUORATE_CA_FILE` |

```
quorate-slmgr /ipk QHXXX-XXXXX-XXXXX-XXXXX-XXXXX /dti
quorate-slmgr /atp contoso.cert
quorate-slmgr /sai 60 /sri 20160
quorate-slmgr /skms kms.contoso.example /ato
quorate-slmgr kms.contoso.example alice TOKEN /dlv --ca-file admin.crt --json
```
"""


def slmgr_page() -> str:
    """The page, from the table that the grammar uses."""
    return _HEAD + "\n".join(map(_row, SWITCHES.values())) + "\n" + _TAIL


def _row(switch: Switch) -> str:
    where = " and ".join(role.value for role in (Role.HOST, Role.CLIENT) if role in switch.roles)
    return f"| `{cell(switch.shown)}` | {where} | {'yes' if switch.is_remote else ''} | {cell(switch.does)} |"
