"""The log of maglevd on its standard output: events with names and fields, as JSON lines or readable text.

Every log call in the program consists of a level, a literal event name in kebab-case, and keyword fields. Anything else
(Twisted's own messages) is rendered as the event ``message`` with a ``text``.
"""
