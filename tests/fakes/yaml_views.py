"""What programs other than ours take a YAML file for: plain values, as a JSON schema sees them."""

from __future__ import annotations

import re

import yaml

from maglev.config.nodes import ListNode, MapNode, is_null

INTEGER = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
WORDS = {form(word): word == "true" for word in ("true", "false") for form in (str, str.title, str.upper)}


def of_yaml_1_2(node):
    """Return the value of one of our nodes by the core schema of YAML 1.2 (10.3.2), which editors follow."""
    if type(node) is MapNode:
        return {name: of_yaml_1_2(value) for name, (_, value) in node.entries.items()}
    if type(node) is ListNode:
        return [of_yaml_1_2(item) for item in node.items]
    if is_null(node):
        return None
    return _plain(node.text) if node.plain else node.text


def _plain(text):
    for pattern, number in ((INTEGER, int), (FLOAT, float)):
        if pattern.fullmatch(text):
            return number(text)
    return WORDS.get(text, text)


class Loader(yaml.SafeLoader):
    """PyYAML, that is YAML 1.1, without the dates, which JSON has not."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def of_yaml_1_1(text):
    """Return the value of a text by YAML 1.1.

    Raises:
        yaml.YAMLError: It is not YAML.
    """
    return _as_json(yaml.load(text, Loader))


def _as_json(value):
    if isinstance(value, dict):
        return {str(name): _as_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    return value
