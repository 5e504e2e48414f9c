"""The event log handed on: to a file, to journald, to a syslog server. After commit, in order, at least once."""
