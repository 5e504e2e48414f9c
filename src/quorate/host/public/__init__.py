"""TCP 1688: bytes become requests, responses become bytes, five routes."""
