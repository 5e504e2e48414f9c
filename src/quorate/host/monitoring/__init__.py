"""Monitoring of a KMS host: readiness, metrics, doctor."""
