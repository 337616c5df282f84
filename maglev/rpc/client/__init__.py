"""The client's end of Perspective Broker, for scripts and for ``maglevc``: `maglev.rpc.client.control`.

Rules:

* Imports nothing of the daemon: a machine that runs only the client needs none of it.
* Every call ends: with an answer, an error of ours, or a time-out.
"""
