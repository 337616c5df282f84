"""Probing in processes of their own, where one core is not enough.

Theory of operation. The daemon decides and its workers only probe: the checker schedules, judges and counts as ever,
but the probers that it gets (`remote`, handed out by `source`) send each probe to a process that runs the very same
probers that the daemon would run itself. `pool` keeps the processes: it starts them, sends each backend to one of them
(`rendezvous`), notices that one has died or hangs, and starts it again. `process` is one of them, as the daemon sees
it; `worker` is one from the inside, and `program` its main function. What they say to each other goes through pipes, in
the words of `codec` and `specs`.

What a worker does not tell is not known: a probe whose worker died is no evidence about its backend, and is made again
by another one. While there is no worker, probes wait.
"""
