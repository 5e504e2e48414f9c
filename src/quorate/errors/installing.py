"""What hints tell people to install: `quorate` on the package index is another program, ours has a longer name."""

from __future__ import annotations

__all__ = ["DISTRIBUTION", "pip_install"]

DISTRIBUTION = "quorate-activation"


def pip_install(extra: str) -> str:
    """The command that brings an extra, by name or from the wheel that one has."""
    return f"pip install '{DISTRIBUTION}[{extra}]' (from a wheel: 'FILE.whl[{extra}]')"
