"""The command tree of the console: from a line of text to verbs of the control interface, and back to text.

Everything here is pure: no Twisted, no clock, no terminal. One table (`tree`) defines all words; matching (`parse`),
completion and ``?`` (`complete`) and the reference in ``docs/cli.rst`` (`reference`) follow it. A matching line selects
a handler (`handlers`), a coroutine that awaits verbs of `maglev.interfaces.IControl`, renders their views as styled
lines (`render`), and passes them to an `output.Output`, which filters them (`filters`) and writes them slice by slice.
A front end (the SSH console, ``maglevc``) provides an `environment.Environment` and gets a `session.CommandSession`.
"""
