"""The running KMS host: composition root, signals, and the work beside answering."""
