"""The page docs/how-to/first-host.md, typed on machines of its own."""
