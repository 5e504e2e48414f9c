"""Commands of the KMS host."""
