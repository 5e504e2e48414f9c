"""The KMS host's store on real SQLite files: what it counts, keeps, survives and reports."""
