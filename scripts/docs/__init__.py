"""Makes the pages of docs that come from the code, so that they cannot lie: `make docs`."""
