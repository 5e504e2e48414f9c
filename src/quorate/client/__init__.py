"""The KMS client: what sits inside the licensed software, and the agent that keeps its lease fresh.

`client` is the face (`Client.status()`, `.activate()`); `driver` makes one attempt; `keeper` holds what is known and
on disk; `state` and `standing` are the rules between; `transport`, `discovery`, `identity`, `leasefile`, `filelock`
and `eventlog` touch the world.
"""
