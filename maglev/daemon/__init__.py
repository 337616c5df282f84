"""The composition root of maglevd: options, listeners, the service tree, and the process around them.

Rules:

* The only folder, beside `maglev.maglevc`, that touches the reactor of the process.
* Knows every other folder and is known by none: objects below receive what they need and never look for it.
* Nothing is decided here. A rule about behaviour belongs to the folder that the behaviour belongs to.
"""
