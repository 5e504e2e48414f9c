"""Forecast of the activation count: when it will fall below a threshold, and the alert about it."""
