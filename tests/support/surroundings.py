"""Every test run has the same surroundings, whatever the habits of the person or the machine that started it.

A variable such as `PYTHONUNBUFFERED` or `COLUMNS`, a proxy, a configuration file in the home folder, or a signal that a
parent ignores (`nohup`, a shell's `&`) reaches every program that a test starts: it would hide a fault here, or cause
one elsewhere. So tests have an environment of a few names, an empty home folder, and signals as at log-in.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["as_at_log_in", "outer", "plain"]

_KEPT = {"PATH", "TMPDIR", "USER", "LOGNAME", "CI"}
_KEPT_OF = ("PYTEST_",)
_NEVER_OUTSIDE = ("PYTHON", "QUORATE_", "VIRTUAL_ENV", "PYTEST_")
_CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_outer: dict[str, str] = {}


def plain(environ: Mapping[str, str]) -> dict[str, str]:
    """What tests keep of an environment."""
    return {name: text for name, text in environ.items() if name in _KEPT or name.startswith(_KEPT_OF)}


def outer() -> dict[str, str]:
    """The environment outside, for programs that fetch packages: it knows the way to the package index. To change.

    Where it says nothing of certificates, those that this machine trusts count, as in scripts/bootstrap.
    """
    found = {name: text for name, text in _outer.items() if not name.startswith(_NEVER_OUTSIDE)}
    bundle = next((each for each in _BUNDLES if Path(each).is_file()), None)
    if bundle is not None and not found.keys() & set(_CERTIFICATES):
        found |= dict.fromkeys(_CERTIFICATES, bundle)
    return found


def as_at_log_in(known_outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give this process the surroundings of tests; the environment it had. `known_outer`: it was cleaned before."""
    kept = plain(os.environ)
    if known_outer is not None:
        _outer.update(known_outer)
        kept["HOME"] = os.environ["HOME"]  # of the process that started this one
    else:
        _outer.update(os.environ)
        kept["HOME"] = tempfile.mkdtemp(prefix="quorate-home-")
        atexit.register(shutil.rmtree, kept["HOME"], ignore_errors=True)
    os.environ.clear()
    os.environ.update(kept)
    os.umask(0o022)
    _hear_signals()
    return _outer


def _hear_signals() -> None:
    """What is ignored stays without effect here, and is as at log-in in what we start: only handlers end at `exec`."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # Python itself ignores and restores these
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
