"""A look-alike of VPP's API, stats segment and lb plugin, for tests, demonstrations and staging.

From the bottom up: `pool` and `fib` (numbers that VPP hands out), `vip` and `balancer` (what the lb plugin keeps, and
its rules), `show`, `lbcommands` and `cli` (the command line), `release`, `messages` and `requests` (the binary API,
encoded by vpp_papi), `segment` (shared memory with the counters), `faults` and `writes` (what goes wrong, and what was
changed), `boot` (one life of a VPP, from start to crash), `connection` and `listener` (UNIX sockets), `simulator` (what
tests and the demonstration hold), `program` (the command ``maglev-vppsim``).

Rules:

* Imports nothing of ours but the Maglev table and the version, so that two independent implementations of the protocol
  meet in the tests.
* Behaves as VPP does, mistakes included; each fact that is copied bears its source.
"""
