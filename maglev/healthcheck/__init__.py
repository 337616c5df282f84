"""Checks the health of backends: when to probe, how to probe, and which results count as evidence.

Rules:

* Reports to the board (`maglev.state.board`) and to nobody else; knows nothing of VPP or of any front end.
* A fault of this machine never counts against a backend: it becomes a `LocalFault` (`maglev.model.result`).
* The `probers` know how to probe and nothing of schedules; the `service` decides when, and judges the outcome.
* `workers` run the same probers in other processes; they decide nothing.
"""
