"""Makes a first configuration out of those of other programs: HAProxy and keepalived.

Rules:

* Pure, but for reading the file and the files that it includes. Offline only: the running daemon never imports this.
* Knows our own file through `maglev.config` only, and has no copy of its rules: `convert` checks what it has made.
* The sub-folders: `draft` knows neither program; each program's folder imports `draft`, and never the other program.
* Nothing is dropped silently: what has no equivalent becomes a note, which ends up as a comment where it belongs.
* For another program: a folder that makes a `Draft`, and a line in `convert`.
"""
