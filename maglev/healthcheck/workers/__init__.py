"""Probes in worker processes, for installations where one core is not enough.

Theory of operation. The daemon decides and its workers only probe: the checker schedules, judges and counts as usual,
but its probers (`RemoteProber` in `process`, handed out by `source`) send each probe to a process that runs the same
probers that the daemon would run itself. `pool` manages the processes: it starts them, assigns each backend to one of
them (`rendezvous`), notices when one dies or hangs, and restarts it. `process` is the daemon's side of one worker;
`worker` is the worker's side, and `program` its main function. They talk through pipes, in the messages of `codec`.

Rules:

* A worker decides nothing and keeps no history: losing one loses no more than the probes that were under way.
* A probe pending at a dead worker is inconclusive; the checker retries it at another. Without workers, probes wait.
* The daemon trusts no worker, because a worker reads what backends send: `codec` checks every byte of a message.
* Knows nothing of the checker and the board: to them, a remote prober is a prober (`maglev.interfaces.IProber`).
* Both ends are always of one version: to change a message, change `codec`, and no compatibility is needed.
"""
