"""The rules of volume activation and its wire: pure. No clock, entropy, file, socket or log is touched in here.

Auditors start at `trust` (what is believed, and why), then `decision` and `count` (who is activated), then
`lifecycle` (what a client does about it). `tests/test_architecture.py` holds the room pure.
"""
