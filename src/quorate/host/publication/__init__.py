"""DNS publication: the host's own SRV record, kept in the zones where clients look for it (S3, S4, S28)."""
