"""The SSH console: keys, connections, channels, and the terminal on which the command tree is used.

Conch brings the transport, the ciphers and the bookkeeping of channels. What it has above that (its authentication
service, factory, session, insults and recvline) is not used: it installs the global reactor on import, and its pitfalls
outnumber its lines. Here, bottom up:

* `transport` is one TCP connection, `limiter` admits and counts them, `authentication` lets people in by `keyring`;
* `connection` and `channel` carry sessions, with `outlet` for output that the client may read slowly, and `turns` so
  that all of them together never hold up the probes;
* `keystrokes`, `buffer`, `history`, `view`, `editor` and `pager` are keys, lines and pages without any I/O;
* `terminal` (with `prompt`, `pages` and `monitor`) is a person, `batch` a command or a script; each is a session of
  `maglev.commands`, and `console` has what they share.
"""
