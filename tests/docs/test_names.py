"""What the pages name exists in the program: metrics, keys, log events, columns, files, folders and modules."""

from __future__ import annotations

import importlib
import re

import pytest

from maglev.config.keys import ROOT as FILE
from maglev.config.schema import walk
from maglev.metrics.families import FAMILIES
from tests.docs.blocks import PAGES, ROOT

TEXTS = PAGES | {path.name: path for path in sorted((ROOT / "man").iterdir())}

SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "maglev").rglob("*.py")))

KEYS = {key for _, section in walk(FILE) for key in section.keys}

FOREIGN = {
    "agent-check": "HAProxy",
    "check-sni": "HAProxy",
    "check-ssl": "HAProxy",
    "code-block": "Sphinx",
    "curve25519-sha256": "SSH",
    "default-server": "HAProxy",
    "hmac-sha2-256": "SSH",
    "hmac-sha2-512": "SSH",
    "main-heap-size": "VPP",
    "mlkem768x25519-sha256": "SSH",
    "python3-venv": "Debian",
    "server-template": "HAProxy",
    "ssh-ed25519": "SSH",
    "ssh-keygen": "SSH",
    "update-interval": "VPP",
    "www-1": "the name of a backend in examples",
    "www-2": "likewise",
    "vpp-lbsync": "the beginning of the names of several log events",
}
"""Words with hyphens that are not ours, and whose they are."""

OURS = {"vpp-maglev", "vpp-maglevd", "maglev-vppsim"}
"""Names of packages, units and programs, which other tests hold to what is built."""


def text_of(page):
    return TEXTS[page].read_text(encoding="utf-8").replace("\\-", "-")


def literals(text):
    """Return what is between two backquotes, on one line each."""
    return {" ".join(each.split()) for each in re.findall(r"``([^`]+)``", text)}


def unknown_metrics(text):
    """Return metrics that no family has; those of a histogram have suffixes."""
    families = FAMILIES.keys()
    named = set(re.findall(r"\bmaglev_[a-z0-9_]+", text))
    return {name for name in named if re.sub("_(bucket|sum|count)$", "", name) not in families and name not in families}


def unknown_words(text):
    """Return words with hyphens that are neither keys nor in a string of the program."""
    words = {word for word in literals(text) if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", word)}
    return {word for word in words - KEYS - FOREIGN.keys() - OURS if f'"{word}"' not in SOURCE}


def unknown_files(text):
    """Return files and folders of the sources that are not there."""
    named = {
        each.rstrip("/") for each in literals(text) if re.fullmatch(r"(maglev|docs|tests|debian|man)/[\w./*-]+", each)
    }
    return {each for each in named if not any(ROOT.glob(each))}


def unknown_modules(text):
    """Return dotted names below ``maglev`` that are no module, and nothing in one."""
    named = {each for each in literals(text) if re.fullmatch(r"maglev(\.[a-z_]+)+(\.[A-Z]\w+)?", each)}
    return {
        each for each in named if not is_key_path(each) and not each.endswith((".yml", ".yaml")) and not there(each)
    }


def is_key_path(dotted):
    """Return whether a name is a path of the configuration file, down to a name of an operator's choice."""
    sections = {path.partition(".<name>")[0].rstrip("[]") for path, _ in walk(FILE)}
    return any(dotted == path or dotted.startswith(f"{path}.") for path in sections - {"", "maglev", "maglev.vpp"}) or (
        dotted in sections
    )


def there(dotted):
    """Return whether a module, or a thing in a module, can be imported."""
    module, _, thing = dotted.rpartition(".") if dotted.rpartition(".")[2][0].isupper() else (dotted, "", "")
    try:
        return hasattr(importlib.import_module(module), thing or "__name__")
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("unknown", [unknown_metrics, unknown_words, unknown_files, unknown_modules])
@pytest.mark.parametrize("page", TEXTS)
def test_what_a_page_names_exists(page, unknown):
    assert unknown(text_of(page)) == set()


@pytest.mark.parametrize(
    ("unknown", "good", "bad"),
    [
        (unknown_metrics, "maglev_probe_duration_seconds_bucket", "maglev_probe_seconds"),
        (unknown_metrics, "maglev_vpp_connected", "maglev_vpp_connected_count_total"),
        (unknown_words, "``flow-timeout`` and ``evidence-lost``", "``flow-time``"),
        (unknown_words, "``fib-bytes``", "``evidence-gone``"),
        (unknown_files, "``maglev/metrics/`` and ``docs/*.rst``", "``maglev/errors.py``"),
        (unknown_modules, "``maglev.model.errors.RemoteError``", "``maglev.model.errors.RemotestError``"),
        (unknown_modules, "``maglev.vpp.lb`` and ``maglev.frontends.web``", "``maglev.errors``"),
    ],
)
def test_a_name_that_is_not_there_is_noticed(unknown, good, bad):
    assert unknown(good) == set()
    assert unknown(bad) == {bad.strip("`")}


def test_no_exception_is_left_over():
    everything = set().union(*(literals(text_of(page)) for page in TEXTS))
    assert FOREIGN.keys() - everything == set()
