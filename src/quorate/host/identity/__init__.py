"""Identity of a KMS host: its keys, its certificate, the publisher's trust state, and how they are renewed."""
