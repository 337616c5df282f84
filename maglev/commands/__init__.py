"""The command tree of the console: from a line of text to verbs of the control interface, and back to text.

Everything here is pure: no Twisted, no clock, no terminal. One table (`tree`) says which words there are; matching
(`parse`), completion and ``?`` (`complete`) and the reference in ``docs/cli.rst`` (`reference`) are all made of it. A
line that matches names a handler (`commands`), a coroutine that awaits verbs of `maglev.interfaces.IControl`, makes
styled lines of the views that it gets (`render`), and hands them to an `output.Output`, which filters them (`pipes`)
and writes them slice by slice. A front end (the SSH console, ``maglevc``) brings an `environment.Environment` and gets
a `session.CommandSession`.
"""
