"""The program ``maglevc``: the command tree over Perspective Broker, for one command, a script, or a person.

Rules:

* Only the options, the connection, the standard streams and the local tty are here; the rest is `maglev.terminal`.
* The standard streams stay blocking, and the tty gets its modes back however the program ends.
* Modules are imported when they are needed: a one-shot command should end before anybody notices a delay.
"""
