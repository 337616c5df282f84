"""What samples amount to: latencies, failures, outages, shares, promises, and the timeline.

Rules:

* Pure: times come with the samples. Seconds, as floats, of one monotonic clock.
* Every structure is bounded, and says so when it drops something.
* What could not be measured (``UNJUDGED``) is neither a success nor a failure; decisions consider both.
"""
