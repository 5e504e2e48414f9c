"""The publisher: root of trust. Signs products, issues host keys, confirms and revokes hosts; nothing here runs at a
customer's.

`issue.Publisher` is the door for the other floors, `book.Book` the window for whoever only looks. Behind them: `vault`
(private keys), `keysets` (public ones), `rotation` (exchanging them), `shelf` and `product` (signed product files and
their source), `ledger` and `blocklist` (host keys, hosts, certificates, revocations). `activation_api` and `serve` open
the door to hosts online.
"""
