"""The command tree of the console: from a line of text to verbs of the control interface, and back to text.

`tree` is the one table of words: matching, completion, ``?`` and the reference in ``docs/cli.rst`` (`reference`) follow
it. A matching line selects one of the `handlers`, a coroutine that awaits verbs of `maglev.interfaces.IControl` and
writes their views. A front end (the SSH console, ``maglevc``) provides an `Environment` and gets a `CommandSession`.

Rules:

* Pure: no Twisted, no clock, no terminal, no socket.
* Knows the daemon only through `IControl`, and never decides who may do what: `maglev.control` refuses, and audits.
* The sub-folders import in this order, never back: `render`, `language`, `handlers`; `tree` and `session` join them.
* To add a command, add its words to the tree and its handler to a family of `handlers`; nothing else needs to change.
* Output is made lazily and written in slices, so that the longest answer never delays the checker.
"""
