"""The event log handed on: forms, targets, and a host that does it."""
