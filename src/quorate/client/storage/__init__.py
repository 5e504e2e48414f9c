"""The client's record on disk: its form, its files, its lock, its status."""
