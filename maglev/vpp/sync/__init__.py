"""Keeps VPP programmed with what the board says: plans, writes, the ledger, the warm-up, and the service around.

Rules:

* Decides against the ledger, which changes only when VPP acknowledges or is read.
* Raise before you lower, and never write what VPP holds already.
* The loops here survive every exception: log, count, back off, go on.
"""
