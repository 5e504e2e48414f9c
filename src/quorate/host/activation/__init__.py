"""Activation: a request becomes a decision on disk and a signed answer."""
