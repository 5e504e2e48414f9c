"""A world in virtual time, made of the real host, client, store and rules: for planning, and our harshest test."""
