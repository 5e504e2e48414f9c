"""The simulator, and what the simulator proves."""
