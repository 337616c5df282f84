"""HAProxy's configuration language, read into a draft (`maglev.importers.draft.model`).

Rules: pure; a directive that has no equivalent becomes a note, never silence; each rule cites HAProxy's manual.
"""
