"""The two calibration servers: what a socket costs with nothing behind it."""
