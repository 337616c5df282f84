"""What a line of the console means: tokens, the elements of the tree, matching, completion, filters, and the output.

A line is split (`tokens`), matched against a tree (`nodes`, `arguments`, `parse`) or completed (`complete`, `choices`);
what follows a ``|`` (`pipes`, `filters`) applies to the `Output`, which writes to the front end's `Environment`.

Rules:

* Works with any tree and names no command: the words are in `maglev.commands.tree`.
* Asks the daemon for names only, while completing; a line is parsed without asking anyone.
* A mistake is a `UsageError` with the column where it is, and a text that says what was expected (`faults`).
* Lines come from anyone who may log in: their length, words and filters are bounded before any work is done.
"""
