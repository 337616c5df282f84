"""keepalived's configuration language, read into a draft (`maglev.importers.draft.model`).

Rules: pure but for included files; a statement that has no equivalent becomes a note; rules cite keepalived.conf(5).
"""
