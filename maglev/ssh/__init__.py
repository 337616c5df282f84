"""SSH for the console: keys, logins, connections and channels. What runs in a channel is `maglev.terminal`.

* `transport` is one TCP connection, `connection_limiter` admits and counts them, `authentication` lets people in by
  `keyring`; `connection` and `channel` carry sessions, with `outlet` for output that the client may read slowly.
* `console` gives each channel its session; nothing else here knows what a session does.
* The bounds of what comes before a session are in `limits`.

Conch brings the transport, the ciphers and the bookkeeping of channels. What it has above that (its authentication
service, factory, session, insults and recvline) is not used: it installs the global reactor on import, and its pitfalls
outnumber its lines.
"""
