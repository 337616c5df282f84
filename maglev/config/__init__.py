"""The YAML file of maglevd: text in, an immutable `maglev.model.config.Config` or all its errors out.

Rules:

* Pure but for reading the file, and those that it names (`credentials`, which asks OpenSSL about them), and
  `child_loader`, which reads large ones in a process of its own. Imports `maglev.model` only; knows nothing of the
  running daemon, so the same files always give the same result.
* Collects every error of a file, each with line and column. One mistake gives one error; a warning never refuses.
* To add or change a key, change the table `keys`: the reader, the reference, the man page and the JSON schema follow
  it. What depends on one key is in its row; what depends on several is in `rules` and `vips`.
* A file may come from anyone: its size, nesting and aliases are bounded before anything is built.
* A part of the file that did not change must give an equal part of the `Config`: a reload touches what differs.
"""
