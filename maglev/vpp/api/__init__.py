"""VPP's binary API: bytes, message definitions, one connection, and the requests under way on it.

Rules:

* Knows no message of the ``lb`` plugin by meaning, and nothing of frontends.
* Every length that comes from the peer is bounded, and every request has a deadline.
* Numbers of messages are learned at each connection; none is written down here but those of the handshake.
"""
