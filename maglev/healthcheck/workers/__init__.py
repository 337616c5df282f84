"""Probes in worker processes, for installations where one core is not enough.

Theory of operation. The daemon decides and its workers only probe: the checker schedules, judges and counts as usual,
but its probers (`RemoteProber` in `process`, handed out by `source`) send each probe to a process that runs the same
probers that the daemon would run itself. `pool` manages the processes: it starts them, assigns each backend to one of
them (`rendezvous`), notices when one dies or hangs, and restarts it. `process` is the daemon's side of one worker;
`worker` is the worker's side, and `program` its main function. They talk through pipes, in the messages of `codec` and
`specs`.

A probe pending at a dead worker is inconclusive; the checker retries it at another one. While there are no workers,
probes wait.
"""
