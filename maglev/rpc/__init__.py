"""The Perspective Broker front end: the verbs of `maglev.control.verbs` for programs, over a UNIX socket or TLS.

From the wire inwards: `tokens` cuts bytes into expressions; `basic` turns expressions into basic values and back;
`broker` is Twisted's broker with those two and their bounds in place of its own; `peer` is the server's end of a
connection; `login` finds out who it is (`identity`) and hands out a `perspective`; `pushing` sends events. `wire` is
what both ends share: the methods, their arguments and the names of errors. `service` listens.
"""
