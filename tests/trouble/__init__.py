"""Trouble for real: full and read-only disks, no rights, processes that are killed. Told clearly, and recovered."""
