"""What our PromQL names: metrics and labels. No parser, but enough of one for the expressions that we write."""

from __future__ import annotations

import re

SELECTOR = re.compile(r"\b((?:maglev|process)_[a-z0-9_]+|up)\b(\{[^}]*\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!=|!~|=)\s*"[^"]*"')
GROUPING = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")


def selectors(expr):
    """Yield (name, labels that it is selected by) of each metric."""
    for name, braces in SELECTOR.findall(expr):
        yield name, set(MATCHER.findall(braces))


def groupings(expr):
    """Return the labels that something is aggregated by or matched on."""
    return {each.strip() for part in GROUPING.findall(expr) for each in part.split(",") if each.strip()}
