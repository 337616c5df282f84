"""What a person types at, on any stream: keys, the line editor, history, the pager, the width of text.

Rules:

* Knows nothing of SSH, sockets or the control interface: keys and text in, text and decisions out.
* Every buffer is bounded, and the bound and its reason are in `maglev.terminal.limits`.
* Text that came from elsewhere is escaped before it gets here (`maglev.model.text`).
"""
