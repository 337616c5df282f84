"""A configuration of HAProxy, imported, and what became of it."""

import yaml

from maglev.config.load import load_text
from maglev.importers.convert import convert


class HaproxyImport:
    """What became of a file."""

    def __init__(self, path, text):
        path.write_text(text)
        made = convert("haproxy", str(path))
        self.text, self.remarks, self.status = made.text, made.remarks, made.status
        self.tree = yaml.safe_load(self.text)["maglev"] if self.text else None
        # The notes about lines, as (number, text), comments joined.
        told = " ".join(line.strip().removeprefix("#").strip() for line in self.text.split("\n") if "#" in line)
        self.comments = " ".join(told.split())

    @property
    def config(self):
        return load_text(self.text).config

    def check(self, backend):
        return self.config.healthchecks[self.config.backends[backend].healthcheck]


def listen(*lines, bind="192.0.2.1:80", server="10.0.0.1:80 check", before=""):
    """Return a file with one section."""
    inside = "".join(f"    {line}\n" for line in (f"bind {bind}", *lines, f"server s {server}"))
    return f"{before}listen site\n{inside}"
