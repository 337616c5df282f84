"""The composition root of maglevd: options, listeners, the service tree, and the process around them.

Rules:

* Touches the reactor of the process, as other programs do (`maglev.maglevc`, ``maglev-vppsim``) and nothing else does.
* Puts the parts together and is known by none of them: they receive what they need and never look for it.
* Nothing is decided here. A rule about behaviour belongs to the folder that the behaviour belongs to.
"""
