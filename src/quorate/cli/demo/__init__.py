"""The demo: a publisher, a KMS host and a fleet on one machine."""
