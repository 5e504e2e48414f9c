"""Discovery: which KMS hosts to ask, in order.

`search` is the way through them; `network` is this machine's, `domains` says where to look, `names` asks DNS, `order`
draws by priority and weight, `mdns` looks on the local link (off unless wished for), `trail` remembers every step for
people, `verdict` is the one error when nobody would do, `survey` greets everybody and asks nobody, and `target` is what
it all leads to.
"""

from quorate.client.discovery.target import Target

__all__ = ["Target"]
