"""The probes: each a Twisted protocol over a lean one-shot connection, each ending in one result."""
