"""The handlers of the commands, one module for each family of verbs.

Rules:

* A handler is a coroutine function that takes an `Invocation`, awaits verbs, and returns an `ExitStatus`.
* It decides nothing about backends or VPP and keeps no state: what it knows is in its arguments and in the answers.
* All output goes through `Output`, page by page where the verb answers in pages; errors that control raises pass.
* Does not know which front end it serves, and never asks: `Environment` says whether there is a terminal.
"""
