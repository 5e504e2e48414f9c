"""HTTP to a KMS host: one request, one response."""
