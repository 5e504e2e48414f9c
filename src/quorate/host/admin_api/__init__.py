"""TCP 1689: authentication, routes and console of administration."""
