"""Activation attempt: find a host, ask, verify, record; once or as an agent."""
