"""The console: pages for the administrator's browser, drawn by the host, with no script and nothing from elsewhere."""
