"""Compares this balancer with others that serve the same VIPs, and tells when they disagree.

Rules:

* Each peer has a connection of its own, with bounds in time, bytes and rows; one that is silent or talks nonsense is
  "cannot confirm", never "equal".
* Nothing here changes anything, here or there: certificates of peers make them viewers.
* `reading` and `compare` are pure: what a peer sent is checked in the one before the other sees it.
"""
