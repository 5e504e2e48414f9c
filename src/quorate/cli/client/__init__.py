"""Commands of the KMS client."""
