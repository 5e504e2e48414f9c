"""Quorate: volume activation for the software you ship."""

__version__ = "0.1.0"
