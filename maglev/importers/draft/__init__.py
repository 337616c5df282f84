"""The draft that every importer fills in (`model`), made to fit our rules (`fitting`) and written as YAML (`writing`).

Rules:

* Knows no other program: a directive of HAProxy or keepalived is interpreted in the folder of that program.
* Whether a value fits our file is asked of `maglev.config` (`values`), never written down again.
* Files are read whole and bounded, without waiting for a FIFO or a device (`source`).
"""
