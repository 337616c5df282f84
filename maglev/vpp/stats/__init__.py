"""VPP's stats segment: shared memory that another process writes, and the counters found in it.

Rules:

* Nothing in the segment is trusted: every offset, length and count is checked and bounded before use.
* Counters of a VPP that is gone are never shown.
"""
