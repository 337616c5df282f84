"""What maglevd tells on its standard output: events with names and fields, as JSON lines or readable text.

A log call anywhere in the program is a level, a literal event name in kebab-case, and keyword fields. Everything else
(Twisted's own messages) is rendered as the event ``message`` with a ``text``.
"""
