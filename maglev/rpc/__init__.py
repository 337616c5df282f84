"""The Perspective Broker front end: the verbs of `maglev.control.verbs` for programs, over a UNIX socket or TLS.

From the wire inwards: `tokens` parses bytes into expressions; `basic` converts between expressions and basic values;
`broker` is Twisted's broker with those two and their bounds in place of its own; `peer` is the server's end of a
connection; `login` identifies the client (`identity`) and returns a `perspective`; `pushing` sends events. `wire` is
shared by both ends: the methods, their arguments and the names of errors. `service` listens.
"""
