"""Installation of systemd services."""
