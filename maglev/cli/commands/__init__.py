"""The handlers of the commands, a file for each family of verbs: coroutine functions of a `maglev.cli.nodes.Call`."""
