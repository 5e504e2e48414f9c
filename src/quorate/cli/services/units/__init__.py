"""The systemd units as they are shipped: valid by themselves, for a Quorate that is installed in /opt/quorate."""
