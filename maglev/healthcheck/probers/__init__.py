"""The probes: one Twisted protocol each, on a lean connection of our own.

Theory of operation. `source` builds one prober per backend and prepares all that its probes share: addresses, request,
pattern, TLS context. `base` is the life of a probe, the same for all: it begins, has one total deadline, and ends
exactly once. `stream` probes over a TCP connection (`connection`), on which runs a protocol: `tcp`, `talk`, `http`,
`http2` (of HTTP, and of gRPC), or `tls` with one of them above it. `icmp` probes over sockets shared by all backends of
a family (`ping`, `echo_socket`, with the messages in `echo`). `poller` waits for all their sockets with one
registration in the reactor. `sockets` opens them, in the namespace where `netns` is asked to. `faults` tells what a
system error says about the backend, and what about us.

Rules:

* Knows nothing of schedules, of ``rise`` and ``fall``, of the board or of workers: it runs in the daemon and in worker
  processes alike.
* A probe ends exactly once, with a `Result` or a `LocalFault`, and cancelling it leaves nothing behind.
* What this machine may have caused is a `LocalFault`, and so is any error number that is not known to come from the
  backend: a failed `Result` counts against it.
* What a backend sends is read up to a bound, judged without blocking, and escaped before it becomes a detail.
* Cost per probe is what limits the daemon: what can be prepared once per backend is not done once per probe.
"""
