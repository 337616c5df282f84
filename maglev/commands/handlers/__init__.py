"""The handlers of the commands, one file for each family of verbs.

A handler is a coroutine function that takes a `maglev.commands.nodes.Invocation` and returns an exit status.
"""
