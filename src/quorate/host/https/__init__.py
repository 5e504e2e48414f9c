"""HTTPS server of administration: certificate, reload, connections."""
