"""The log of maglevd on its standard output: events with names and fields, as JSON lines or readable text.

Rules:

* A log call consists of a level, a literal event name in kebab-case, and keyword fields; ``docs/operation.rst`` lists
  every name. Anything else (Twisted's own messages) becomes the event ``message`` with a ``text``.
* Imports nothing of ours, so that every folder from `maglev.runtime` on can log.
* Never waits: a line that can't be written at once is dropped and counted, and so are storms of one event.
* All text is escaped when it is rendered, because fields may hold what a backend or a client sent.
"""
