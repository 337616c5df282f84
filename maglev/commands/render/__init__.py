"""Views and events as styled lines, for people: `lines` has the styles and columns, the rest one table or block each.

Rules:

* Takes basic values in the shapes of `maglev.model.views` and `maglev.model.event_views`, and asks nobody for more.
* Knows nothing of commands, and not where its lines go: colours and filters are applied later, by `Output`.
* Text from outside is escaped here (`clean`), whatever the daemon has done already: a client may face any server.
* Rows are generators, because an answer may have thousands of them.
"""
