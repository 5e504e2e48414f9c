"""Settings of a KMS client: variables and the configuration file."""
