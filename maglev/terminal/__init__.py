"""The interactive terminal: keys, line editor, history, pager, prompt, shell, and the runner of scripts.

`shell` serves a person (with `prompt`, `pages` and `monitor`), `batch` a command or a script; both run commands through
`session`. `stream` is the seam below them: a stream carries bytes, and reports their end and the window size. `keys`,
`line_buffer`, `history`, `line_view`, `editor`, `typed_ahead`, `pager` and `width` turn keys and text into text and
decisions, without any I/O.

`maglevc` and the SSH console share all of it. It was written for SSH, where there is no tty: bytes come in and go out.
maglevc puts its own tty into raw mode and is served the same way. The alternative, prompt_toolkit for both, would need
a pty for each session and an asyncio event loop in the daemon, and none of its buffers is bounded.

Rules:

* Knows nothing of SSH, sockets, descriptors or the process's terminal.
* What the keys of one turn of the reactor look at is counted in characters and bounded (`looked_at`).
* Every buffer is bounded, and the bound and its reason are in `limits`.
* Text that came from elsewhere is escaped before it gets here (`maglev.model.text`); `screen` escapes it again.
* A dumb terminal gets no escape sequences, only printable text, CR, LF and BEL.
"""
