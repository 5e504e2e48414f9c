"""What a KMS host keeps: one database, one writer, any number of readers."""
