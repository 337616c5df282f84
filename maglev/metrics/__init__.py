"""What Prometheus scrapes: the families as data, collectors that read the facts, and the HTTP resources.

Rules:

* Reads; never changes anything. Every value comes from its owner at the moment of the scrape.
* A family is declared in `maglev.metrics.families` before a collector may yield it; ``docs/metrics.rst`` is made of it.
* Labels have a bounded number of values. A scrape is written in slices, so that probes are not late.
"""
