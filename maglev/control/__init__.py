"""The verbs of the control interface and what they work with: views, sessions, events, reload, dry run.

Rules:

* Every front end (SSH, Perspective Broker) comes through here; none of them touches VPP or the checker.
* A verb checks the caller's role, leaves an audit line, and returns basic values in the shapes of `IControl`.
* No verb depends on which front end calls; the register of sessions only shows it.
"""
