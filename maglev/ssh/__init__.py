"""SSH for the console: keys, logins, connections and channels. What runs in a channel is `maglev.terminal`.

* `transport` is one TCP connection, `connection_limiter` admits and counts them, `authentication` checks keys against
  the `keyring`; `connection` and `channel` carry sessions, with `outlet` for output that the client may read slowly.
* `console` gives each channel its session; nothing else here knows what a session does.
* The bounds on everything before a session are in `limits`.

Conch provides the transport, the ciphers and the bookkeeping of channels. Its higher layers (authentication service,
factory, session, insults and recvline) are not used: they install the global reactor on import, and their pitfalls
outnumber their lines.
"""
