"""The doctor: every check in order, with the fix."""
