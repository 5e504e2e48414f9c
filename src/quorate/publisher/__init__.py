"""The publisher: root of trust. Signs products, issues host keys, confirms hosts; nothing here runs at a customer's.

`issue.Publisher` is the door for the other floors. Behind it: `vault` (the signing key), `shelf` and `product` (signed
product files and their source), `ledger` (host keys, hosts, certificates).
"""
