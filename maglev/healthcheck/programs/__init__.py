"""Healthchecks that run a program (type ``exec``).

Theory of operation. A fork takes the longer the larger the process is, and the daemon may be large. So the daemon
starts one small process when the first program is to be run (`host` is its side, `program` the other), and that one
forks. For each run it forks a *supervisor* (`supervisor`), which starts the program in a session of its own.

A supervisor is the reaper of all its descendants (``PR_SET_CHILD_SUBREAPER``): whatever they do, double forks and
``setsid`` included, they stay below it in the tree of processes. When the program has ended, or its time is up, or
nobody wants to know any longer, it kills everything below it, until nothing is left. The last is a pipe that ends: it
does so too if the daemon or the small process dies, however that happens.

Rules:

* What a program says is read to the end and thrown away, but for the first line, of which some bytes are kept.
* That a program could not be started is a fault of this machine, never of the backend.
* These modules use the standard library only, so that the processes stay small.
"""
