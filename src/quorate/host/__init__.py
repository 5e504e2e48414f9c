"""The KMS host: counts the machines that ask, decides, and signs its answers."""
