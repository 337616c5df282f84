"""The figures as text: plain lines, the screen, JSON.

Rules:

* Pure, and decides nothing.
* No line is wider than it was asked to be; what comes from outside has been made printable before.
"""
