"""The probes: one Twisted protocol each, on a lean connection of our own.

Theory of operation. `source` builds one prober per backend, with everything that can be prepared prepared: addresses,
request, pattern, TLS context. `base` is the life of a probe, the same for all: it begins, has one total deadline, and
ends exactly once. `stream` probes over a TCP connection (`connection`), on which runs a protocol: `tcp`, `http`, or
`tls` with either above it. `icmp` probes over sockets shared by all backends of a family (`ping`, `echo_socket`, with
the messages in `echo`). `poller` waits for all their sockets with one registration in the reactor. `sockets` opens
them, in the namespace where `netns` is asked to. `faults` tells what a system error says about the backend, and what
about us.
"""
