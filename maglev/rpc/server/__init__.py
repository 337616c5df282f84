"""The daemon's end of Perspective Broker: listens, identifies clients, and answers their calls.

Rules:

* Only basic values travel (`maglev.rpc.wire`), and everything that a client sends or makes us keep is bounded.
* Identity comes from the socket or the certificate, never from what the client says.
* Knows the verbs through `IControl` only, and enters its clients into the register of sessions.
"""
