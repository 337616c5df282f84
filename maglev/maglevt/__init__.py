"""The program ``maglevt``: tests VIPs from outside, as a client sees them.

Theory of operation. `targets` says what to test, from a file or from what the daemon answers (`daemon_link`). For each
VIP, `load` begins a request at each moment of a fixed schedule, whatever became of those before; `requests` makes them
with our own probers, over a new connection each. What became of a request is a sample; `measure` turns samples into
figures, outages and a verdict, and `render` turns those into text. `canary` offers them to Prometheus, and `screen`
shows them on a terminal.

Rules:

* Absence of evidence is not evidence: what this program could not measure is counted as such, and a promise is kept
  only if it would be kept even if all of that had failed.
* Latency is measured from the scheduled moment, not from when the request was sent: a client that stood still must not
  hide an outage.
* All memory is bounded, however long it runs. ``measure`` and ``render`` are pure and import in this order.
* It changes nothing in the daemon.
"""
