"""Infrastructure for long-running code: the clock, owned coroutines, slices of work, logs.

Rules:

* Knows nothing of backends, frontends or VPP; it may import `maglev.model` only.
* Time comes from the clock that the caller passes in. No module here touches the reactor of the process.
* Work that can take longer than a few milliseconds runs as a generator in the cooperator, never in one stretch.
"""
