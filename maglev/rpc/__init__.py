"""The Perspective Broker front end: the verbs of the daemon for programs, over a UNIX socket or TLS.

From the wire inwards: `tokens` parses bytes into expressions; `basic` converts between expressions and basic values;
`broker` is Twisted's broker with those two and their bounds in place of its own; `wire` has the methods, their
arguments and the names of errors. The `server` and the `client` share these four, and never import each other.

Rules:

* Only basic values are sent or accepted: no class is ever looked up for a peer, and nothing is unpickled.
* Nesting, size and count are bounded before memory is used, at both ends.
* Methods and their arguments come from `maglev.interfaces.IControl`: to add a verb, add it there, not here.
* A peer may be of another version: names on the wire keep their meaning, and an answer may only gain keys.
"""
