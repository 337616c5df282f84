"""SSH for the console: keys, logins, connections and channels. What runs in a channel is `maglev.terminal`.

`transport` is one TCP connection, `packet_transport` and `ciphers` its packets; `connection_limiter` admits and counts
connections, `authentication` checks keys against the `keyring`; `connection` and `channel` carry sessions, with
`outlet` for output that the client may read slowly.

Conch provides the transport, the key exchange, most ciphers and the bookkeeping of channels. Its higher layers
(authentication service, factory, session, insults and recvline) are not used: they install the global reactor on
import, and their pitfalls outnumber their lines.

Rules:

* Only `console` knows what runs in a channel, and only as a runner on a stream; nothing here knows a command.
* Reaches the daemon through `IControl`, bound to the caller that the key identified; no other login exists.
* Everything that a client can make us keep or wait for has a bound in `limits`, with its reason; before the login the
  bounds are tight, because the peer may be anyone.
* To support another channel, request or algorithm, name it: whatever is not named is refused.
"""
